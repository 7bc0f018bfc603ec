"""Fast paths behind the readable functions; used for the library's own parts only."""
