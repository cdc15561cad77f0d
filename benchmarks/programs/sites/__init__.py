"""The same FastAPI route with each library, its server and its clients."""
