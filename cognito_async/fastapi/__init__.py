"""FastAPI applications on Amazon Cognito user pools: lifespan, dependencies, problem details, password reset.

    app = FastAPI(lifespan=Cognito().lifespan)
    app.include_router(password_reset_router())

The settings come from the environment, see ``CognitoSettings``. Install: ``pip install "cognito_async[fastapi]"``.
"""

try:
    import fastapi as _fastapi  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import pydantic_settings as _pydantic_settings  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import python_multipart as _python_multipart  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ImportError as error:
    raise ImportError(
        f'{error.name} is missing, which cognito_async.fastapi needs: pip install "cognito_async[fastapi]"',
        name=error.name,
    ) from error

from cognito_async.fastapi.answers import install_problems as install_problems
from cognito_async.fastapi.answers import problem_answer as problem_answer
from cognito_async.fastapi.answers import problem_route as problem_route
from cognito_async.fastapi.dependencies import ClientMetadataDep as ClientMetadataDep
from cognito_async.fastapi.dependencies import CognitoDep as CognitoDep
from cognito_async.fastapi.dependencies import CognitoSessionDep as CognitoSessionDep
from cognito_async.fastapi.dependencies import CognitoSettingsDep as CognitoSettingsDep
from cognito_async.fastapi.dependencies import Dependencies as Dependencies
from cognito_async.fastapi.dependencies import FormUserContextDep as FormUserContextDep
from cognito_async.fastapi.dependencies import ResetRequestsDep as ResetRequestsDep
from cognito_async.fastapi.dependencies import UserContextDep as UserContextDep
from cognito_async.fastapi.dependencies import VisitorDep as VisitorDep
from cognito_async.fastapi.dependencies import client_metadata as client_metadata
from cognito_async.fastapi.documents import problem_responses as problem_responses
from cognito_async.fastapi.guards import admit_user as admit_user
from cognito_async.fastapi.guards import limited as limited
from cognito_async.fastapi.guards import same_origin as same_origin
from cognito_async.fastapi.lifespan import join_lifespans as join_lifespans
from cognito_async.fastapi.lifespan import session_of as session_of
from cognito_async.fastapi.password_policy import PasswordPolicy as PasswordPolicy
from cognito_async.fastapi.password_policy import PasswordRule as PasswordRule
from cognito_async.fastapi.pool import Cognito as Cognito
from cognito_async.fastapi.problem import Problem as Problem
from cognito_async.fastapi.problem import Problems as Problems
from cognito_async.fastapi.problem_table import PROBLEMS as PROBLEMS
from cognito_async.fastapi.problems import problem_of as problem_of
from cognito_async.fastapi.problems import report as report
from cognito_async.fastapi.rate_limit import MemoryRateLimit as MemoryRateLimit
from cognito_async.fastapi.rate_limit import RateLimit as RateLimit
from cognito_async.fastapi.refusals import *  # noqa: F403 - the names of refusals.__all__
from cognito_async.fastapi.reset_confirmation import ResetConfirmation as ResetConfirmation
from cognito_async.fastapi.reset_confirmation import at_least as at_least
from cognito_async.fastapi.reset_queue import ResetLimits as ResetLimits
from cognito_async.fastapi.reset_queue import ResetRequests as ResetRequests
from cognito_async.fastapi.reset_router import password_reset_router as password_reset_router
from cognito_async.fastapi.settings import CognitoSettings as CognitoSettings
