"""A deploy moves the alias to the image, and everything of it is as it was asked for."""

from __future__ import annotations

from tests.aws import StrictAws
from tests.deploy.tool import Tool


def test_a_deploy_moves_the_alias_to_the_image(aws: StrictAws, tool: Tool) -> None:
    aws.make_function("frames")
    image = aws.put_image()
    ended = tool.run("deploy", "--digest", image.digest, "--repository", "app", "--function", "frames")
    print(ended)
    print("\n".join(map(str, aws.calls())))
    assert ended.code == 0
