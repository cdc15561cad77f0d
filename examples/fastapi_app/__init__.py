"""Larkmoor, an example site on an Amazon Cognito user pool. README.md describes it; app.py is the place to start."""
