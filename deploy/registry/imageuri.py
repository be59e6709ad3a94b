"""The address of an image in a registry: HOST/NAME:TAG, HOST/NAME@DIGEST, or both."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

_ECR_HOST: Final = re.compile(r"(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.|on\.)\S+")


@dataclass(frozen=True)
class ImageUri:
    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for what has no registry or neither tag nor digest."""
        rest, _, digest = text.partition("@")
        registry, slash, name = rest.partition("/")
        repository, colon, tag = name.rpartition(":")
        if not colon:
            repository, tag = name, ""
        if not slash or not repository or not (tag or digest):
            raise ValueError(f"{text} is not HOST/NAME:TAG or HOST/NAME@DIGEST")
        return cls(registry, repository, tag, digest)

    def __str__(self) -> str:
        tag, digest = f":{self.tag}" if self.tag else "", f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"

    @property
    def account(self) -> str:
        """The account that ECR's host names; empty for other registries."""
        found = _ECR_HOST.fullmatch(self.registry)
        return found[1] if found else ""

    @property
    def region(self) -> str:
        found = _ECR_HOST.fullmatch(self.registry)
        return found[2] if found else ""
