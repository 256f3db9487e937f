"""What is known of the shipped lab model beside what its training run measures by itself."""

from __future__ import annotations

from typing import Final

RECORDS: Final = """
## What else is known

* Through the plugin (`pytest --mcr-model lab --mcr-data SET`) the same 600 held-out samples give the same accuracies
  and rates as above (means: neutral 0.98, faithful 0.99, adversarial 0.09, irrelevant 0.93, tir[adversarial] 0.91),
  with 5 of 2,400 answers unparsed. On the embedded mini benchmark, means over tasks: neutral 0.98, faithful 0.99,
  adversarial 0.08, irrelevant 0.92, tir[adversarial] 0.91, tir[placebo] 0.01, 3 of 720 answers unparsed.
* On 80 samples over real recordings (dog, rain, chainsaw ...), which it never heard: yes/no questions, neutral 0.43,
  adversarial 0.25, "hearing not shown"; ten-way naming, every answer unparsed, so the run is INVALID. It hears nothing
  real.
* Names that training never used are mostly not understood as an answer: with them, texts sway AQA alone (tir 0.76) and
  not SER and VSC (0.00, 0.01).
* Seed 0 was trained first and is the one that ships; seeds 1 to 4 were trained later with the same command and served
  no choice. The same held-out samples, mean over the tasks:

  | seed | neutral | faithful | adversarial | irrelevant | tir[adversarial] |
  |---|---|---|---|---|---|
  | 0 | 0.978 | 0.992 | 0.092 | 0.935 | 0.906 |
  | 1 | 0.980 | 1.000 | 0.232 | 0.977 | 0.768 |
  | 2 | 0.980 | 1.000 | 0.092 | 0.973 | 0.906 |
  | 3 | 0.973 | 0.997 | 0.347 | 0.958 | 0.646 |
  | 4 | 0.975 | 1.000 | 0.027 | 0.933 | 0.972 |

  Mean of tir[adversarial] 0.840, standard deviation 0.131 (n - 1). How well it hears hardly depends on the seed; how
  far it follows the text does, and seeds 1 and 3 miss the recipe's aim (adversarial at most 0.12, tir at least 0.87).
* Steps, shares of rows, share of clips with two events and the test band were chosen while looking at held-out sets of
  other seeds (5 and 11). The seed of the held-out sets reported here, 23, was used for no choice.
* The test band lies between the training bands. Before that, with test sets that also took the outermost twentieth of
  every range and a second event in a fifth of the AQA clips, an earlier state of this model (before the last 220 steps)
  had neutral 0.81 (AQA), 0.95 (SER) and 1.00 (VSC): it extrapolates poorly, and two events at once are hard.
* The controls were not trained at these steps. In a trial at 1.8 M parameters `joint` heard (SER and VSC reached 1.0 in
  400 steps) and ignored text, and `mismatched` never learned to hear.
* Run again from nothing, the command above gave this weight file byte for byte, in 27 minutes on two shared CPU cores.
"""
