"""OpenSSH: client, server and signatures."""
