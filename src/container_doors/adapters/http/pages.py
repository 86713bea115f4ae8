"""The plain pages: signing in, and what is at ``/`` without Gradio."""

from html import escape

_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Container doors</title><link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; }}
main {{ padding: 0 1rem; }}
input, button {{ font: inherit; padding: .5rem .75rem; box-sizing: border-box; }}
input {{ width: 100%; margin: .25rem 0 1rem; }}
code, pre {{ font-family: ui-monospace, monospace; }}
pre {{ overflow-wrap: anywhere; white-space: pre-wrap; }}
.problem {{ color: light-dark(#a40000, #ff9d9d); }}
</style></head><body><main>{body}</main></body></html>"""


def sign_in_page(where: str, *, is_wrong: bool) -> str:
    """Ask for the token; ``where`` is the path to go to afterwards."""
    problem = '<p class="problem" role="alert">That is not the token.</p>' if is_wrong else ""
    return _FRAME.format(
        body=f"""<h1>Container doors</h1>{problem}
<form method="post" action="/login">
<input type="hidden" name="next" value="{escape(where)}">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button>
</form>
<p>It was printed where <code>doors serve</code> was started, or is in its token file.</p>"""
    )


def plain_page(hint: str) -> str:
    """Say what there is, and how to get the page; ``hint`` is the line to type."""
    return _FRAME.format(
        body=f"""<h1>Container doors</h1>
<p>The service runs. <a href="/docs">Its interface</a> is for programs:</p>
<pre>curl --data-binary @photo.jpg ADDRESS/v1/predict</pre>
<p>A page on which photographs are tried needs the extra <code>demo</code>:</p>
<pre>{escape(hint)}</pre>"""
    )
