"""What is typed at ``doors storage`` may be a secret."""

import pytest

from container_doors.cli import main


@pytest.mark.parametrize("command", ["set {} --credentials key.json", "login {} --client key.json"])
@pytest.mark.parametrize("url", ["https://me:sekrit@x.org/d", "https://x.org/d?sig=sekrit"])
def test_no_error_shows_the_secret_of_an_address(
    command: str, url: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["storage", *command.format(url).split()]) == 2

    said = capsys.readouterr().err
    assert "and the address is committed" in said
    assert "sekrit" not in said
