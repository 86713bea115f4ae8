"""What an SSH server is told: who may come in, how, and what for.

Through a tunnel everybody on the internet can knock, so that a key is the only way in, and what
is inside can be reached from the session alone. ``man 5 sshd_config`` explains each word.
"""

import shlex
from pathlib import Path

from container_doors.core.errors import TunnelError

HOST_KEY = "host_key"
AUTHORIZED = "authorized_keys"
ENVIRONMENT = "environment.sh"
ENTRY = "entry.sh"
SETTINGS = "sshd_config"
LOG = "sshd.log"
PID = "sshd.pid"

_SETTINGS = """\
ListenAddress 127.0.0.1:{port}
HostKey "{host_key}"
PidFile none
AuthorizedKeysFile "{tokens}/{authorized}"
StrictModes yes
AllowUsers {user}
PermitRootLogin prohibit-password
AuthenticationMethods publickey
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
HostbasedAuthentication no
PermitEmptyPasswords no
UsePAM no
LoginGraceTime 30
MaxAuthTries 4
PermitUserEnvironment no
AcceptEnv LANG LC_*
ForceCommand exec /bin/sh {entry}
Subsystem sftp {sftp_server}
AllowTcpForwarding local
PermitOpen localhost:* 127.0.0.1:* [::1]:*
AllowStreamLocalForwarding no
AllowAgentForwarding no
X11Forwarding no
PermitTunnel no
GatewayPorts no
PrintMotd no
ClientAliveInterval 30
ClientAliveCountMax 6
LogLevel VERBOSE
"""
"""VS Code's server listens on the machine's own loopback, and is spoken to by ``-L`` or ``-D``:
https://code.visualstudio.com/docs/remote/troubleshooting#_enabling-tcp-forwarding-on-the-remote-host
VERBOSE logs the fingerprint of each key that comes in. PAM is left out because its
``pam_loginuid`` ends every session in a container without the audit capability."""

NO_PENALTIES = "PerSourcePenalties no\n"
"""For OpenSSH 9.8 and later: behind a tunnel all come from 127.0.0.1, and a stranger's failures
would keep the owner out."""

_ENTRY = """\
is_kept() {{
  kill -0 {keeper} || return 1
  read -r state < /proc/{keeper}/stat
  case $state in *') Z '*) return 1 ;; esac
}}
(
  trap '' HUP
  while is_kept && kill -0 $$; do sleep 1; done
  is_kept || kill -s KILL -- "$PPID" "-$$"
) < /dev/null > /dev/null 2>&1 &
export DOORS_TUNNEL={directory}
if [ -r {environment} ]; then . {environment}; fi
if [ -n "${{SSH_ORIGINAL_COMMAND:-}}" ]; then
  command=$SSH_ORIGINAL_COMMAND
  unset SSH_ORIGINAL_COMMAND
  exec "$SHELL" -c "$command"
fi
exec "$SHELL" -l
"""
"""The part in brackets ends a session whose server is gone: the server's own end ends it only for
those who still listen at the other side. ``$$`` is the session's shell; ``Z`` has ended, and nobody
has asked how."""

_PROFILE = """\
if [ "${{DOORS_TUNNEL:-}}" = {directory} ] && [ -r {environment} ]; then . {environment}; fi
"""


def server_settings(
    directory: Path, *, host_key: Path, port: int, user: str, sftp_server: str
) -> str:
    """Write ``sshd_config``; ``directory`` holds the files that are named in this module.

    Raises:
        TunnelError: If sshd cannot be told of that folder.
    """
    if any(character in str(directory) for character in '"\\\n'):
        raise TunnelError(
            f"sshd cannot be told of the folder {str(directory)!r}",
            hint="set XDG_STATE_HOME to a folder without quotes, backslashes and line ends",
        )
    return _SETTINGS.format(
        port=port,
        directory=directory,
        tokens=str(directory).replace("%", "%%"),
        user=user,
        sftp_server=sftp_server,
        host_key=host_key,
        authorized=AUTHORIZED,
        entry=shlex.quote(str(directory / ENTRY)),
    )


def entry_script(directory: Path, *, environment: Path, keeper: int) -> str:
    """Write what runs first in every session: a shell, a command, a copy of files, an editor's.

    Args:
        directory: Where it is.
        environment: What sessions are to read.
        keeper: The process without which there are no sessions.
    """
    return _ENTRY.format(**_quoted(directory, environment), keeper=keeper)


def profile_script(directory: Path, *, environment: Path) -> str:
    """Write what a login shell reads after Debian's ``/etc/profile``, which sets PATH anew.

    Other people's login shells, which did not come in through this server, stay as they are.
    """
    return _PROFILE.format(**_quoted(directory, environment))


def _quoted(directory: Path, environment: Path) -> dict[str, str]:
    return {
        "directory": shlex.quote(str(directory)),
        "environment": shlex.quote(str(environment)),
    }
