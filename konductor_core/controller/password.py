"""The password of the Redis that comes with Konductor: made once, by the first controller that starts.

`kubectl apply` can make no random text, and a password in a manifest would be known to everybody. So the controller's
pod runs this before the controller; Redis' pod and the controller wait for the Secret. One that exists is left alone.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from typing import TYPE_CHECKING, Final

import click

from konductor_core.controller.cluster import ApiError, Cluster, Conflict

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

__all__ = ["KEY", "ensure", "main"]

KEY: Final = "password"


async def ensure(cluster: Cluster, namespace: str, name: str) -> bool:
    """Make the Secret `name` with a random password; False if there is one already, whoever made it."""
    if await cluster.secret(namespace, name) is not None:
        return False
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "konductor"}},
        "type": "Opaque",
        "stringData": {KEY: secrets.token_urlsafe(32)},
    }
    try:
        await cluster.create_secret(namespace, body)
    except Conflict:  # the other replica was faster
        return False
    return True


@click.command()
@click.argument("name")
@click.option("--namespace", envvar="POD_NAMESPACE", required=True, help="Where; by default POD_NAMESPACE.")
def main(name: str, namespace: str) -> None:
    """Make the Secret NAME with a random password, unless there is one."""
    try:
        made = asyncio.run(_run(namespace, name))
    except ApiError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    click.echo(f"secret {namespace}/{name} {'made' if made else 'is there already'}")


async def _run(namespace: str, name: str) -> bool:
    async with Cluster(_in_cluster()) as cluster:
        return await ensure(cluster, namespace, name)


def _in_cluster() -> Configuration:
    """Return how a pod reaches the API server."""
    from kubernetes.aio import client, config

    configuration = client.Configuration()
    config.load_incluster_config(client_configuration=configuration)
    return configuration


if __name__ == "__main__":
    main()
