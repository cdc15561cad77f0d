"""Collects modules that are imported by name, and data files."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules, is_module_satisfies

EXTRAS = {"cognito_async.cli": "click", "cognito_async.fastapi": "fastapi"}
missing = tuple(package for package, requirement in EXTRAS.items() if not is_module_satisfies(requirement))

hiddenimports = collect_submodules(
    "cognito_async", filter=lambda name: not name.startswith((*missing, "cognito_async.__pyinstaller"))
)
datas = collect_data_files("cognito_async")
