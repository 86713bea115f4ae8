"""Git and DVC read more than their own variables: nothing of the person's home is seen here."""

import os

import pytest


@pytest.fixture(autouse=True, scope="module")
def _no_home(tmp_path_factory: pytest.TempPathFactory):
    """Git's list of ignored files, for one, lies in XDG_CONFIG_HOME whatever its config says."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("XDG_", "GIT_", "DVC_"))]:
            if not name.startswith(("GIT_CONFIG_", "DVC_GLOBAL", "DVC_SYSTEM", "DVC_SITE")):
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("DVC_NO_ANALYTICS", "1")
        yield
