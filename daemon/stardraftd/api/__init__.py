"""HTTP: each file translates one API between bodies and the daemon. No policy."""
