# SPDX-License-Identifier: GPL-3.0-or-later
"""Sparse matrices that stay, applied to values of a mesh's vertices at every step."""

import warnings
from typing import Any

import torch


class SparseMatrix:
    """A sparse (M,N) matrix and its transpose in compressed rows, made once."""

    def __init__(
        self,
        rows: torch.Tensor,
        columns: torch.Tensor,
        values: torch.Tensor,
        shape: tuple[int, int],
    ) -> None:
        """Entries `values` (E,) float32 at rows (E,) and columns (E,); equal places add up."""
        self._matrix = _compressed(rows, columns, values, shape)
        self._transposed = _compressed(columns, rows, values, shape[::-1])

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """values (…,N,C) -> (…,M,C), differentiable."""
        # Vertices in front, everything else as columns.
        rows = values.movedim(-2, 0)
        columns = rows.reshape(len(rows), -1)
        product = _Product.apply(columns, self._matrix, self._transposed)
        return product.view(-1, *rows.shape[1:]).movedim(0, -2)


class _Product(torch.autograd.Function):
    """matrix @ columns with the transpose at hand: torch's own backward makes it at each call."""

    @staticmethod
    def forward(
        ctx: Any, columns: torch.Tensor, matrix: torch.Tensor, transposed: torch.Tensor
    ) -> torch.Tensor:
        ctx.transposed = transposed
        return matrix @ columns

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return ctx.transposed @ gradient, None, None


def _compressed(
    rows: torch.Tensor, columns: torch.Tensor, values: torch.Tensor, shape: tuple[int, ...]
) -> torch.Tensor:
    """The matrix in compressed rows from its entries."""
    entries = torch.sparse_coo_tensor(
        torch.stack([rows, columns]), values, shape, check_invariants=False
    )
    with warnings.catch_warnings():
        # torch calls its compressed rows beta; multiplication is all that is used of them.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
        return entries.coalesce().to_sparse_csr()
