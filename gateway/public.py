"""What athletes call. The front door lets nothing else in, and everything else is for operators."""

PUBLIC_SERVICES = ("flux.app.v1.AppService", "flux.session.v1.SessionService")
