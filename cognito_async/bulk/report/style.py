"""How the page looks: by day and by night, on a phone and on paper."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ground:#f6f7f9;--sheet:#fff;--ink:#1a2230;--soft:#566073;--line:#dfe3e9;
--done:#2a78b8;--refused:#d4620a;--unknown:#93215f;--waiting:#8b95a5;--quota:#1a2230;--calm:#e9f2fa}
@media (prefers-color-scheme:dark){:root{--ground:#11151c;--sheet:#191f29;--ink:#e8ecf2;--soft:#a3aebf;--line:#323b49;
--done:#5aa9e6;--refused:#f2994a;--unknown:#e87bb5;--waiting:#77839a;--quota:#e8ecf2;--calm:#1d2c3b}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:62rem;margin:0 auto;padding:2.5rem 1.25rem 3rem}
h1{font-size:2.1rem;line-height:1.2;margin:.15rem 0 .4rem;letter-spacing:-.015em}
h2{font-size:1.2rem;margin:0 0 .35rem}
p{margin:.3rem 0;max-width:52rem}
.eyebrow,.soft,dt,figcaption,footer{color:var(--soft)}
.eyebrow{margin:0;font-size:.9rem}
section{background:var(--sheet);border:1px solid var(--line);
border-radius:.75rem;padding:1.35rem 1.5rem;margin-top:1.25rem}
.status{display:flex;flex-wrap:wrap;align-items:baseline;gap:.35rem .75rem;margin:1rem 0 0;
max-width:none}
.badge{background:var(--ink);color:var(--sheet);border-radius:1rem;padding:.1rem .8rem;font-weight:600;font-size:.9rem}
.facts{display:grid;grid-template-columns:repeat(3,1fr);gap:.9rem 1.5rem;margin:1.25rem 0 0}
dt{font-size:.85rem}dd{margin:0;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(4,1fr);gap:1rem 1.5rem;margin:0}
.figures div{border-left:4px solid var(--colour);padding-left:.85rem;min-width:0}
.figures dt{font-size:.95rem;color:var(--ink);font-weight:600}
.figures .large{font-size:clamp(1.25rem,6vw,1.9rem);line-height:1.2;font-weight:650;font-variant-numeric:tabular-nums}
.figures .large span{font-size:1rem;font-weight:400;color:var(--soft);white-space:nowrap}
.figures .soft{font-size:.85rem}
.share{display:flex;gap:2px;height:.6rem;border-radius:.3rem;overflow:hidden;margin-top:1.25rem;background:var(--line)}
.share i{background:var(--colour);min-width:2px}
.is-done{--colour:var(--done)}.is-refused{--colour:var(--refused)}.is-unknown{--colour:var(--unknown)}
.is-waiting{--colour:var(--waiting)}
figure{margin:1rem 0 0}
.chart{display:block;width:100%;height:auto;font:12.5px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
.chart text{fill:var(--ink)}.chart .name,.chart .break-name{fill:var(--soft)}
.chart .grid{stroke:var(--line)}.chart .axis{stroke:var(--soft)}
.bars.done{fill:var(--done)}.bars.refused{fill:var(--refused)}.bars.unknown{fill:var(--unknown)}
.chart .quota{stroke:var(--quota);stroke-width:1.75;stroke-dasharray:7 5}
.chart .quota-name{fill:var(--quota);font-weight:600}
.chart .break{fill:var(--ground)}.chart .break-name{font-size:11.5px}
.narrow{display:none}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.25rem;list-style:none;padding:0;margin:.4rem 0 0;font-size:.9rem}
.legend i{display:inline-block;width:.85rem;height:.85rem;border-radius:.2rem;background:var(--colour);
margin-right:.45rem;vertical-align:-.1rem}
.legend .dashes{height:0;width:1.5rem;border-radius:0;background:none;
border-top:2px dashed var(--quota);vertical-align:.25rem}
table{border-collapse:collapse;width:100%;margin-top:.9rem;font-size:.95rem}
th,td{text-align:left;vertical-align:top;padding:.6rem 1rem .6rem 0;border-top:1px solid var(--line)}
thead th{border-top:0;color:var(--soft);font-weight:500;font-size:.85rem;padding-top:0}
td:last-child,th:last-child{padding-right:0}
td.number{font-variant-numeric:tabular-nums;white-space:nowrap;width:6rem}
td strong,td code{display:block;overflow-wrap:anywhere}
code{font:.82rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:var(--soft)}
.kind{width:34%}
.mark{display:inline-block;width:.6rem;height:.6rem;border-radius:50%;background:var(--colour);margin-right:.4rem}
.beside{background:var(--calm);
border-radius:.5rem;padding:.6rem .9rem;margin:.75rem 0 0;max-width:none;overflow-wrap:anywhere}
a{color:inherit}
.words{display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1.25rem;margin:.75rem 0 0;font-size:.9rem}
footer{font-size:.85rem;margin-top:1.25rem;overflow-wrap:anywhere}footer p{max-width:none}
@media (max-width:46rem){
main{padding:1.5rem .9rem 2rem}h1{font-size:1.65rem}section{padding:1.1rem 1rem}
.figures,.facts{grid-template-columns:1fr 1fr}.figures .large span{display:block;line-height:1.3}
.wide{display:none}.narrow{display:block}
table,tbody,tr,td{display:block}thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tr{border-top:1px solid var(--line);padding:.7rem 0}td{border:0;padding:.1rem 0;width:auto!important}
td[data-name]::before{content:attr(data-name) ": ";color:var(--soft)}
.words{grid-template-columns:1fr}.words dd{margin-bottom:.4rem}}
@media print{:root{color-scheme:light;--ground:#fff;--sheet:#fff;--ink:#000;--soft:#444;--line:#bbb;--done:#2a78b8;
--refused:#d4620a;--unknown:#93215f;--waiting:#8b95a5;--quota:#000;--calm:#fff}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}main{padding:0;max-width:none}
section{padding:1rem 0;border-width:1px 0 0;
border-radius:0}tr,figure,.figures{break-inside:avoid}}
"""
