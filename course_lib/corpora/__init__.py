"""Parallel corpora behind one interface: `load_corpus`."""

from course_lib.corpora.loading import Corpus, CorpusError, load_corpus

__all__ = ["Corpus", "CorpusError", "load_corpus"]
