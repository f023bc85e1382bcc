"""Generated ImageNet: images of real classes under several conditionings, and what training on them is worth."""
