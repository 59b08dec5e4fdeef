"""Operations of the library's own features."""
