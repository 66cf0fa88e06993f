"""Pure decisions of the gateway: what a session is made of, what its sets prove, and what that moves."""
