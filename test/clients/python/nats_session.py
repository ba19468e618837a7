"""What every nats-py program needs: connections, collecting messages, the control of the server."""

import asyncio
import contextlib
import json
import os
import urllib.request

import nats

from scenario import scenario


def server(name='NATS_PORT', scheme='nats'):
    return '%s://localhost:%s' % (scheme, os.environ[name])


def async_scenario(function):
    """A scenario that is a coroutine, in an event loop of its own."""

    def run():
        asyncio.run(function())

    run.__name__ = function.__name__
    return scenario(run)


@contextlib.asynccontextmanager
async def connected(port='NATS_PORT', **options):
    """Connections that end with the block, and whatever went wrong behind the scenes in `.errors`."""
    errors = []

    async def on_error(error):
        errors.append(error)

    options = {'error_cb': on_error, 'allow_reconnect': False, 'connect_timeout': 5, **options}
    connection = await nats.connect(server(port, options.pop('scheme', 'nats')), **options)
    connection.errors = errors
    try:
        yield connection
    finally:
        await connection.close()


async def settled(connection):
    """The server has everything. The client's first PING overtakes what it has not written yet."""
    await connection.flush()
    await connection.flush()


async def take(subscription, count, seconds=5):
    return [await subscription.next_msg(timeout=seconds) for _ in range(count)]


async def nothing_more(subscription, seconds=0.15):
    try:
        message = await subscription.next_msg(timeout=seconds)
    except (asyncio.TimeoutError, nats.errors.TimeoutError):
        return
    raise AssertionError('unexpected %r on %s' % (message.data, message.subject))


async def eventually_async(check, seconds=10):
    for _ in range(int(seconds / 0.05)):
        result = check()
        if result:
            return result
        await asyncio.sleep(0.05)
    raise AssertionError('still %r after %s s' % (check(), seconds))


async def restart():
    """Ends the open server and starts it again on the same port."""

    def call():
        request = urllib.request.Request(os.environ['CONTROL'] + '/restart', method='POST')
        with urllib.request.urlopen(request, timeout=40) as response:
            assert response.read() == b'restarted'

    await asyncio.get_running_loop().run_in_executor(None, call)


def page(path):
    with urllib.request.urlopen('http://localhost:%s%s' % (os.environ['NATS_HTTP_PORT'], path), timeout=10) as response:
        return json.load(response)
