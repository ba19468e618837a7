"""nats-py against servers with users, tokens, permissions and TLS."""

import asyncio
import os
import ssl

import nats
import nats.errors

from nats_session import async_scenario, connected, eventually_async, nothing_more, server, settled, take
from scenario import equal, main, unique


async def refused(port, **options):
    """What the client says when it is not let in."""
    errors = []

    async def on_error(error):
        errors.append(str(error))

    try:
        nc = await nats.connect(server(port), error_cb=on_error, allow_reconnect=False, connect_timeout=5, **options)
        await nc.close()
    except Exception as error:
        return '%s %s %s' % (type(error).__name__, error, errors)
    raise AssertionError('let in')


@async_scenario
async def user_and_password():
    async with connected('NATS_AUTH_PORT', user='app', password='secret') as nc:
        subscription = await nc.subscribe(unique('auth'))
        await nc.publish(subscription.subject, b'x')
        equal(len(await take(subscription, 1)), 1)
    for options in ({'user': 'app', 'password': 'wrong'}, {'user': 'nobody', 'password': 'secret'}, {}, {'token': 'no'}):
        said = await refused('NATS_AUTH_PORT', **options)
        assert 'authorization violation' in said.lower(), said


@async_scenario
async def user_in_the_address():
    url = 'nats://app:secret@localhost:' + os.environ['NATS_AUTH_PORT']
    nc = await nats.connect(url, allow_reconnect=False)
    await settled(nc)
    await nc.close()


@async_scenario
async def token():
    async with connected('NATS_TOKEN_PORT', token='t0ken') as nc:
        await settled(nc)
    said = await refused('NATS_TOKEN_PORT', token='wrong')
    assert 'authorization violation' in said.lower(), said


@async_scenario
async def permissions():
    async with connected('NATS_AUTH_PORT', user='limited', password='secret') as nc:
        subscription = await nc.subscribe('allowed.>')
        for subject in ('forbidden', 'allowed.secret', 'allowed'):
            await nc.publish(subject, b'x')
            await settled(nc)
            await eventually_async(lambda: any('"%s"' % subject in str(error) for error in nc.errors))
            assert 'permissions violation for publish to "%s"' % subject in str(nc.errors[-1]).lower(), nc.errors
        await nothing_more(subscription, 0.1)
        for subject in ('forbidden', 'allowed.private', '>', '*'):
            await nc.subscribe(subject)
            await settled(nc)
            wanted = 'permissions violation for subscription to "%s"' % subject
            await eventually_async(lambda: any(wanted in str(error).lower() for error in nc.errors))
        await nc.publish('allowed.x', b'x')
        equal((await subscription.next_msg(timeout=5)).subject, 'allowed.x')
        assert nc.is_connected


@async_scenario
async def denied_subjects_are_not_delivered_through_a_wildcard():
    async with connected('NATS_AUTH_PORT', user='limited', password='secret') as nc:
        async with connected('NATS_AUTH_PORT', user='app', password='secret') as app:
            subscription = await nc.subscribe('allowed.*')
            await settled(nc)
            await app.publish('allowed.private', b'private')
            await app.publish('allowed.public', b'public')
            await settled(app)
            equal((await subscription.next_msg(timeout=5)).data, b'public')
            await nothing_more(subscription)


@async_scenario
async def only_answers_are_allowed():
    async with connected('NATS_AUTH_PORT', user='service', password='secret') as service:
        async with connected('NATS_AUTH_PORT', user='app', password='secret') as app:
            async def answer(message):
                await message.respond(b'once')
                await message.respond(b'twice')

            await service.subscribe('service.a', cb=answer)
            await settled(service)
            equal((await app.request('service.a', b'x', timeout=5)).data, b'once')
            # The permission was for one answer, and for nothing else.
            await eventually_async(lambda: len(service.errors) >= 1)
            assert 'permissions violation for publish' in str(service.errors[0]).lower(), service.errors
            await service.publish('other', b'x')
            await eventually_async(lambda: any('"other"' in str(error) for error in service.errors))


@async_scenario
async def tls():
    context = ssl.create_default_context(cafile=os.environ['CA_FILE'])
    async with connected('NATS_TLS_PORT', scheme='tls', tls=context, user='app', password='secret') as nc:
        subscription = await nc.subscribe(unique('tls'))
        bodies = [b'x' * size for size in (0, 10, 20_000, 700_000)]
        for body in bodies:
            await nc.publish(subscription.subject, body)
        equal([m.data for m in await take(subscription, len(bodies))], bodies)
    said = await refused('NATS_TLS_PORT', tls=context, user='app', password='wrong')
    assert 'authorization violation' in said.lower(), said
    said = await refused('NATS_TLS_PORT', user='app', password='secret')
    assert 'certificate' in said.lower(), said
    distrusting = ssl.create_default_context()
    said = await refused('NATS_TLS_PORT', tls=distrusting, user='app', password='secret')
    assert 'certificate' in said.lower() or 'ssl' in said.lower(), said


@async_scenario
async def plain_text_beside_tls():
    async with connected('NATS_EITHER_PORT', user='app', password='secret') as nc:
        await settled(nc)
        assert nc._server_info.get('tls_available'), nc._server_info


@async_scenario
async def a_slow_subscriber_is_the_clients_own_matter():
    async with connected('NATS_AUTH_PORT', user='app', password='secret') as nc:
        subject = unique('slow')

        async def never(message):
            await asyncio.sleep(60)

        await nc.subscribe(subject, cb=never, pending_msgs_limit=10)
        for _ in range(100):
            await nc.publish(subject, b'x')
        await settled(nc)
        await eventually_async(lambda: any(isinstance(e, nats.errors.SlowConsumerError) for e in nc.errors))
        assert nc.is_connected


main()
