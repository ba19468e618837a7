"""nats-py: publishing, wildcards, queue groups, requests, headers, draining, reconnecting."""

import asyncio

import nats.errors

from nats_session import (
    async_scenario,
    connected,
    eventually_async,
    nothing_more,
    page,
    restart,
    settled,
    take,
)
from scenario import equal, main, unique


@async_scenario
async def connect_options():
    async with connected(name='the name', verbose=True, pedantic=True) as nc:
        assert nc.is_connected
        equal(nc.max_payload, 1048576)
        subscription = await nc.subscribe(unique('options'))
        await nc.publish(subscription.subject, b'x')
        await settled(nc)
        equal([m.data for m in await take(subscription, 1)], [b'x'])
        listed = page('/connz?subs=1')['connections']
        equal([c['lang'] for c in listed if c.get('name') == 'the name'], ['python3'])
        equal(nc.errors, [])


@async_scenario
async def publish_and_subscribe():
    async with connected() as nc, connected() as other:
        subject = unique('pubsub')
        one, two = await nc.subscribe(subject), await other.subscribe(subject)
        await settled(other)
        bodies = [b'', b'text', bytes(range(256)), 'ü€'.encode(), b'x' * 1_000_000]
        for body in bodies:
            await nc.publish(subject, body)
        await settled(nc)
        for subscription in (one, two):
            equal([m.data for m in await take(subscription, len(bodies))], bodies)
        await nc.publish(subject, b'with reply', reply='to.me')
        equal((await one.next_msg()).reply, 'to.me')


@async_scenario
async def order_of_many():
    async with connected() as nc, connected() as other:
        subject = unique('order')
        subscription = await other.subscribe(subject)
        await settled(other)
        for n in range(20_000):
            await nc.publish(subject, b'%d' % n)
        await settled(nc)
        equal([int(m.data) for m in await take(subscription, 20_000)], list(range(20_000)))


@async_scenario
async def wildcards():
    async with connected() as nc:
        root = unique('wild')
        patterns = [root + end for end in ('.*', '.>', '.a', '.*.c', '.a.>', '.*.*')]
        subscriptions = {pattern: await nc.subscribe(pattern) for pattern in patterns}
        subjects = [root + end for end in ('', '.a', '.b', '.a.b', '.a.c', '.a.b.c')]
        for subject in subjects:
            await nc.publish(subject, b'')
        await settled(nc)
        wanted = {
            '.*': ['.a', '.b'],
            '.>': ['.a', '.b', '.a.b', '.a.c', '.a.b.c'],
            '.a': ['.a'],
            '.*.c': ['.a.c'],
            '.a.>': ['.a.b', '.a.c', '.a.b.c'],
            '.*.*': ['.a.b', '.a.c'],
        }
        for end, ends in wanted.items():
            subscription = subscriptions[root + end]
            equal([m.subject for m in await take(subscription, len(ends))], [root + e for e in ends], end)
            await nothing_more(subscription, 0.05)


@async_scenario
async def queue_groups():
    async with connected() as nc, connected() as other:
        subject = unique('group')
        counts = {}

        def member(name):
            async def handle(message):
                counts[name] = counts.get(name, 0) + 1

            return handle

        for n in range(3):
            await nc.subscribe(subject, queue='workers', cb=member('worker %d' % n))
        await other.subscribe(subject, queue='workers', cb=member('worker 3'))
        await other.subscribe(subject, queue='others', cb=member('other'))
        await nc.subscribe(subject, cb=member('everything'))
        await settled(other)
        for _ in range(400):
            await nc.publish(subject, b'x')
        await settled(nc)
        await settled(other)
        await eventually_async(lambda: sum(counts.values()) >= 1200)
        equal(sum(count for name, count in counts.items() if name.startswith('worker')), 400)
        equal((counts['other'], counts['everything']), (400, 400))
        assert sum(1 for name in counts if name.startswith('worker')) >= 2, counts


@async_scenario
async def requests():
    async with connected() as nc, connected() as service:
        subject = unique('service')

        async def answer(message):
            await message.respond(b'answer to ' + message.data)

        await service.subscribe(subject, cb=answer)
        await settled(service)
        equal((await nc.request(subject, b'1', timeout=5)).data, b'answer to 1')
        answers = await asyncio.gather(*(nc.request(subject, b'%d' % n, timeout=5) for n in range(200)))
        equal([m.data for m in answers], [b'answer to %d' % n for n in range(200)])
        equal((await nc.request(subject, b'old', timeout=5, old_style=True)).data, b'answer to old')


@async_scenario
async def no_responders():
    async with connected() as nc:
        try:
            await nc.request(unique('nobody'), b'x', timeout=5)
            raise AssertionError('answered')
        except nats.errors.NoRespondersError:
            pass
        # Who is there but silent is another matter.
        subject = unique('silent')
        await nc.subscribe(subject)
        try:
            await nc.request(subject, b'x', timeout=0.2)
            raise AssertionError('answered')
        except nats.errors.TimeoutError:
            pass


@async_scenario
async def headers():
    async with connected() as nc:
        subscription = await nc.subscribe(unique('headers'))
        sent = {'One': '1', 'two-words': 'a b  c', 'Empty': '', 'unicode': 'ä'}
        await nc.publish(subscription.subject, b'body', headers=sent)
        await nc.publish(subscription.subject, b'none')
        await nc.publish(subscription.subject, b'', headers={'Alone': 'x'})
        await settled(nc)
        first, second, third = await take(subscription, 3)
        equal((first.data, {name.strip(): value.strip() for name, value in first.headers.items()}), (b'body', sent))
        equal((second.data, second.headers), (b'none', None))
        equal((third.data, third.headers), (b'', {'Alone': 'x'}))


@async_scenario
async def no_echo():
    async with connected(no_echo=True) as nc, connected() as other:
        subject = unique('echo')
        own, others = await nc.subscribe(subject), await other.subscribe(subject)
        await settled(other)
        await nc.publish(subject, b'x')
        await settled(nc)
        equal((await others.next_msg(timeout=5)).data, b'x')
        await nothing_more(own)


@async_scenario
async def unsubscribing():
    async with connected() as nc:
        subject = unique('unsub')
        limited, whole, ended = [await nc.subscribe(subject) for _ in range(3)]
        await limited.unsubscribe(limit=3)
        await ended.unsubscribe()
        for n in range(10):
            await nc.publish(subject, b'%d' % n)
        await settled(nc)
        equal([m.data for m in await take(limited, 3)], [b'0', b'1', b'2'])
        equal(len(await take(whole, 10)), 10)
        equal(whole.delivered, 10)


@async_scenario
async def draining():
    async with connected() as nc, connected() as other:
        subject = unique('drain')
        got = []

        async def slow(message):
            await asyncio.sleep(0.001)
            got.append(message.data)

        subscription = await nc.subscribe(subject, cb=slow)
        await settled(nc)
        for n in range(200):
            await other.publish(subject, b'%d' % n)
        await settled(other)
        await settled(nc)
        await subscription.drain()
        equal(len(got), 200)
        await nc.publish(subject, b'the last word')
        await nc.drain()
        assert nc.is_closed


@async_scenario
async def payload_limit():
    async with connected() as nc:
        try:
            await nc.publish('x', b'x' * (nc.max_payload + 1))
            raise AssertionError('published')
        except nats.errors.MaxPayloadError:
            pass
        # The client's own check out of the way, the server ends the connection. Whether the client still
        # reads the reason is the network's matter; the raw exchanges have it.
        nc._max_payload = 1 << 30
        await nc.publish('x', b'x' * (1024 * 1024 + 1))
        await eventually_async(lambda: not nc.is_connected)


@async_scenario
async def subjects_that_are_none():
    async with connected() as nc:
        for subject in ('a..b', '.a', 'a.'):
            before = len(nc.errors)
            try:
                await nc.subscribe(subject)
            except nats.errors.BadSubjectError:
                continue
            await settled(nc)
            await eventually_async(lambda: len(nc.errors) > before)
            assert 'invalid subject' in str(nc.errors[-1]).lower(), nc.errors[-1]
        assert nc.is_connected


@async_scenario
async def reconnecting_after_a_restart():
    events = []

    def note(what):
        async def callback(*_):
            events.append(what)

        return callback

    options = {
        'allow_reconnect': True,
        'max_reconnect_attempts': -1,
        'reconnect_time_wait': 0.1,
        'disconnected_cb': note('disconnected'),
        'reconnected_cb': note('reconnected'),
    }
    async with connected(**options) as nc:
        subject = unique('reconnect')
        subscription = await nc.subscribe(subject + '.*')
        await settled(nc)
        await restart()
        await eventually_async(lambda: 'reconnected' in events, 20)
        await nc.publish(subject + '.after', b'still subscribed')
        equal((await subscription.next_msg(timeout=5)).data, b'still subscribed')
        equal(events, ['disconnected', 'reconnected'])


@async_scenario
async def rtt_and_statistics():
    async with connected() as nc:
        subscription = await nc.subscribe(unique('stats'))
        await nc.publish(subscription.subject, b'12345')
        await take(subscription, 1)
        equal((nc.stats['out_msgs'], nc.stats['in_msgs'], nc.stats['out_bytes'], nc.stats['in_bytes']), (1, 1, 5, 5))


@async_scenario
async def many_subscriptions():
    async with connected() as nc, connected() as other:
        root = unique('many')
        subscriptions = [await nc.subscribe('%s.%d' % (root, n)) for n in range(3000)]
        await settled(nc)
        for n in range(0, 3000, 7):
            await other.publish('%s.%d' % (root, n), b'%d' % n)
        await settled(other)
        for n in range(0, 3000, 7):
            equal((await subscriptions[n].next_msg(timeout=5)).data, b'%d' % n)
        for subscription in subscriptions:
            await subscription.unsubscribe()
        await settled(nc)


@async_scenario
async def over_websocket():
    async with connected('NATS_WS_PORT', scheme='ws') as nc, connected() as other:
        subject = unique('ws')
        subscription = await nc.subscribe(subject)
        await settled(nc)
        bodies = [b'small', b'x' * 70_000, b'y' * 500_000]
        for body in bodies:
            await other.publish(subject, body, headers={'Over': 'websocket'})
        got = await take(subscription, 3)
        equal([(m.data, m.headers) for m in got], [(body, {'Over': 'websocket'}) for body in bodies])
        back = await other.subscribe(subject + '.back')
        await settled(other)
        await nc.publish(subject + '.back', b'z' * 200_000)
        equal((await back.next_msg(timeout=5)).data, b'z' * 200_000)


@async_scenario
async def monitoring():
    async with connected(name='watched') as nc:
        subscription = await nc.subscribe(unique('watched') + '.*', queue='q')
        await nc.publish('watched.x', b'12345')
        await settled(nc)
        varz = page('/varz')
        kinds = {
            'server_id': str, 'server_name': str, 'version': str, 'go': str, 'host': str, 'port': int,
            'max_connections': int, 'ping_interval': int, 'ping_max': int,
            'max_control_line': int, 'max_payload': int, 'max_pending': int, 'start': str, 'now': str,
            'uptime': str, 'mem': int, 'connections': int, 'total_connections': int, 'in_msgs': int,
            'out_msgs': int, 'in_bytes': int, 'out_bytes': int, 'slow_consumers': int, 'subscriptions': int,
        }
        equal({name: type(varz.get(name)) for name in kinds}, kinds)
        equal((varz['max_payload'], varz['max_control_line'], varz['max_pending']), (1048576, 4096, 67108864))
        assert varz['in_msgs'] >= 1 and varz['connections'] >= 1 and varz['subscriptions'] >= 1, varz
        connz = page('/connz?subs=1')
        for name in ('server_id', 'now', 'num_connections', 'total', 'offset', 'limit', 'connections'):
            assert name in connz, name
        [mine] = [c for c in connz['connections'] if c.get('name') == 'watched']
        kinds = {
            'cid': int, 'ip': str, 'port': int, 'start': str, 'last_activity': str, 'uptime': str, 'idle': str,
            'pending_bytes': int, 'in_msgs': int, 'out_msgs': int, 'in_bytes': int, 'out_bytes': int,
            'subscriptions': int, 'lang': str, 'version': str, 'subscriptions_list': list, 'kind': str, 'type': str,
        }
        equal({name: type(mine.get(name)) for name in kinds}, kinds)
        equal((mine['in_msgs'], mine['in_bytes'], mine['subscriptions']), (1, 5, 1))
        equal(mine['subscriptions_list'], [subscription.subject])
        equal(page('/connz?limit=1')['limit'], 1)
        subsz = page('/subsz')
        for name in ('num_subscriptions', 'num_inserts', 'num_removes'):
            assert isinstance(subsz.get(name), int), name
        equal(page('/healthz'), {'status': 'ok'})


main()
