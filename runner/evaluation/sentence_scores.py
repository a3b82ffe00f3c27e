"""One answer's BLEU and ROUGE as the libraries give them, for whoever stands in for a service that
uses those. Scores of experiments come from `runner.evaluation.metrics`, with intervals."""

from __future__ import annotations


def sentence_bleu(answer: str, reference: str) -> float:
    """sacreBLEU's sentence score, from 0 to 1."""
    import sacrebleu

    return float(sacrebleu.sentence_bleu(answer, [reference]).score) / 100


def rouge_f(answer: str, reference: str, kind: str = "rougeL", *, stem: bool = False) -> float:
    """rouge-score's F-measure of `kind` (``rouge1``, ``rougeL`` ...), from 0 to 1."""
    from rouge_score.rouge_scorer import RougeScorer

    return float(RougeScorer([kind], use_stemmer=stem).score(reference, answer)[kind].fmeasure)
