//! Recordings built byte by byte, for tests.
