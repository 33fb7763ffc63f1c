"""Figures of the evaluation (chapters 2 and 10, and the report).

Colours are seaborn's colour-blind palette; lines also differ in dash, so a grey print is readable.
The same kind of comparison (genuine, type-I, type-II, impostor) looks the same in every figure.

| function | draws |
|---|---|
| `roc_plot` | TAR over FAR, FAR on a log axis |
| `det_plot` | FNMR over FMR on normal-deviate axes |
| `cmc_plot` | rank-k rates over k |
| `score_histogram` | the scores of each kind, and the thresholds |
| `rates_plot` | TAR of several attacks with their intervals |
| `judges_plot` | TAR of the target beside that of the judges |
| `interval_plot` | any values with intervals, and chance behind them (leakage) |
| `quality_plot` | the distribution of PSNR, SSIM and the like over the pictures |
| `reconstruction_strip` | originals above reconstructions: best, median, worst by score |
"""

from nbnet_lib.evaluate.plots_curves import cmc_plot, det_plot, roc_plot
from nbnet_lib.evaluate.plots_judges import judges_plot
from nbnet_lib.evaluate.plots_rates import interval_plot, quality_plot, rates_plot
from nbnet_lib.evaluate.plots_scores import score_histogram
from nbnet_lib.evaluate.plots_strip import reconstruction_strip, select_by_score
from nbnet_lib.evaluate.plots_style import DASHES, LABELS

__all__ = [
    "DASHES",
    "LABELS",
    "cmc_plot",
    "det_plot",
    "interval_plot",
    "judges_plot",
    "quality_plot",
    "rates_plot",
    "reconstruction_strip",
    "roc_plot",
    "score_histogram",
    "select_by_score",
]
