"""What the comparison found in words, and which of the config's limits it crosses."""

from __future__ import annotations

from runner.config.skew import SkewLimits
from runner.plural import plural
from runner.records.skew import SkewComparison, SkewTest


def skewed(found: SkewComparison) -> list[SkewTest]:
    """The tests that are no accident, strongest first."""
    return sorted((test for test in found.findings if test.skewed), key=lambda test: test.p_holm)


def lines(found: SkewComparison) -> list[str]:
    """One line a finding."""
    texts = [f"{item.name} differs" for item in found.exact]
    pairs = found.matched
    if pairs.changed_by_id:
        kinds = ", ".join(pairs.kinds)
        total = plural(pairs.by["id"], "row")
        texts.append(f"{pairs.changed_by_id} of {total} with equal ids differ: {kinds}")
    return texts + [_line(item) for item in skewed(found)]


def crossed(found: SkewComparison, config: SkewLimits) -> list[str]:
    """See `runner.skew.refusals`."""
    refused = []
    count = len(lines(found))
    if config.max_findings is not None and count > config.max_findings:
        texts = plural(count, "finding")
        refused.append(f"{texts}, and skew.max_findings allows {config.max_findings}")
    told = found.told_apart
    auc = told.production
    if config.max_auc is not None and auc > config.max_auc and told.skewed:
        refused.append(f"AUC {auc:.3f} of the classifier, and skew.max_auc allows {config.max_auc}")
    pairs = found.matched
    share = pairs.changed / pairs.pairs if pairs.pairs else 0.0
    if config.max_changed is not None and share > config.max_changed:
        refused.append(
            f"{share:.0%} of {plural(pairs.pairs, 'matched prompt')} differ in their bytes, and "
            f"skew.max_changed allows {config.max_changed:.0%}"
        )
    return refused


def _line(item: SkewTest) -> str:
    one, other, p = item.tuning, item.production, item.p_holm
    said = {
        "share": f"{item.name}: {one:.0%} of tuning, {other:.0%} of production",
        "size": f"{item.name}: median {one:.4g} in tuning, {other:.4g} in production",
        "words": f"vocabulary: {other:.3f} bits apart, {one:.3f} would be chance",
        "classifier": f"a classifier tells the sides apart with AUC {other:.3f} (0.5 is guessing)",
        "pairs": f"{item.name}: more in production {other:.0%}, fewer {one:.0%}",
    }[item.kind]
    return f"{said} (p {'<0.001' if p < 0.001 else f'{p:.3f}'})"
