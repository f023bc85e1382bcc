"""One page that a person looks at: samples, balance, verdicts, scores, plots."""
