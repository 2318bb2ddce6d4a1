"""The harness's model class, with likelihoods computed without waste.

The harness runs the vocabulary head over every token of every prompt, and a softmax over all of that. Here the head
sees only the tokens that are scored, requests that differ in their last token alone share one row, and a batch is
bounded by its tokens as well. The likelihoods are the same.
"""

import inspect
from functools import cached_property, lru_cache

import torch
from lm_eval.models.huggingface import HFLM

# Tokens of a batch on a CPU: what its caches hold counts more than its cores.
CPU_TOKENS = 2048


class Scorer(HFLM):
    """A loaded model and its tokenizer, as the harness wants them.

    Attributes
    ----------
    cut : set of (context, continuation)
        Requests that are longer than the model's context and lost their beginning.
    unfit : dict of (context, continuation) to int
        Requests whose continuation alone is longer than the context, and its tokens; their likelihood is NaN.
    """

    def __init__(self, model, tokenizer, batch_size):
        super().__init__(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)
        self.cut, self.unfit = set(), {}
        self._some_logits = "logits_to_keep" in inspect.signature(model.forward).parameters
        # An item's requests follow each other, and mostly have one context.
        self._encoded = lru_cache(maxsize=16)(super().tok_encode)

    @cached_property
    def max_length(self):
        """Tokens of the model's context; the harness asks for it with every request."""
        return super().max_length

    def tok_encode(self, string, add_special_tokens=None, left_truncate_len=None, **kwargs):
        """Token ids of a text, as the harness makes them."""
        return list(self._encoded(string, add_special_tokens, left_truncate_len, **kwargs))

    def _loglikelihood_tokens(self, requests, disable_tqdm=False, override_bs=None):
        """Log-likelihood of each continuation, and whether each of its tokens is the likeliest.

        Parameters
        ----------
        requests : list of ((context, continuation), context's ids, continuation's ids)

        Returns
        -------
        list of (float, bool), in the order of the requests
        """
        answers, rows = [(float("nan"), False)] * len(requests), {}
        for index, (pair, context, continuation) in enumerate(requests):
            if len(continuation) > self.max_length or not continuation:
                self.unfit[pair] = len(continuation)
                continue
            if len(context) + len(continuation) > self.max_length + 1:
                self.cut.add(pair)
            ids = (*context, *continuation)[-(self.max_length + 1) : -1]
            rows.setdefault(ids, []).append((index, continuation))
        with torch.inference_mode():
            for batch in self._batches(sorted(rows.items(), key=lambda row: -len(row[0]))):
                for index, answer in self._score(batch):
                    answers[index] = answer
        return answers

    def _batches(self, rows):
        """Rows of nearly equal length in turn, the longest first."""
        start = 0
        while start < len(rows):
            size = int(self.batch_size)
            if self.device.type == "cpu":
                size = min(size, max(1, CPU_TOKENS // len(rows[start][0])))
            yield rows[start : start + size]
            start += size

    def _score(self, rows):
        longest = len(rows[0][0])
        first = min(len(ids) - len(continuation) for ids, asked in rows for _, continuation in asked)
        # Padding comes after what is scored, where causal attention does not see it.
        inputs = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids, _ in rows], device=self.device)
        if self._some_logits:
            keep = torch.arange(first, longest, device=self.device)
            logits = self.model(inputs, logits_to_keep=keep, use_cache=False).logits
        else:
            logits = self.model(inputs).logits[:, first:]
        scores = torch.log_softmax(logits.float(), -1)
        most = scores.amax(-1)
        scored = [
            (row, len(ids) - len(continuation) + place - first, token)
            for row, (ids, asked) in enumerate(rows)
            for _, continuation in asked
            for place, token in enumerate(continuation)
        ]
        row, position, token = torch.tensor(scored, device=self.device).T
        found = scores[row, position, token]
        likelihoods = found.double().tolist()
        likeliest = (found >= most[row, position]).tolist()
        start = 0
        for index, continuation in (entry for _, asked in rows for entry in asked):
            stop = start + len(continuation)
            yield index, (sum(likelihoods[start:stop]), all(likeliest[start:stop]))
            start = stop
