"""One point of a record, and the digest that shows whether it was changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sims import payload as payloads
from sims.ledger import StoreError


@dataclass(frozen=True)
class Record:
    """One point: its identity and what came out.

    Attributes
    ----------
    key : str
        SHA-256 of `identity`, 64 hexadecimal digits.
    identity : str
        JSON: what is computed, its parameters, seed and physics version.
    path : str
        JSON: address in the seed tree.
    status : "done" or "failed"
    message : str
        Why it failed.
    payload : bytes
        See `sims.payload`.
    digest : str
        SHA-256 of the fields above, independent of when and where it was computed.
    seconds : float
    attempts : int
    environment : str
        JSON: versions and machine that computed it; not part of the digest.
    """

    key: str
    identity: str
    path: str
    status: str
    message: str
    payload: bytes
    digest: str
    seconds: float = 0.0
    attempts: int = 1
    environment: str = "{}"

    @property
    def sound(self) -> bool:
        """Whether nothing was changed since it was written."""
        texts = (self.key, self.identity, self.path, self.status, self.message)
        return (
            all(isinstance(text, str) for text in texts)
            and isinstance(self.payload, bytes)
            and self.key == hashlib.sha256(self.identity.encode()).hexdigest()
            and self.digest == digest_of(*texts, self.payload)
            and isinstance(self.environment, str)
        )

    def arrays(self) -> dict[str, payloads.Labelled]:
        """{name: (dims, array)}; refused if anything was changed.

        Raises
        ------
        StoreError
        """
        if not self.sound:
            raise StoreError(
                f"point {self.key[:12]} was changed since it was written; "
                "`statmech status DIR --repair` computes it again"
            )
        return payloads.decode(self.payload)


def digest_of(*fields: str | bytes) -> str:
    """SHA-256 over the fields, each preceded by its length."""
    total = hashlib.sha256()
    for value in fields:
        data = value.encode() if isinstance(value, str) else value
        total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()
