"""pika: the exchange type of RabbitMQ's delayed message plugin, and the retries that people build with it.

Against Posthorn alone: the plugin is a separate download that Debian does not have, so the RabbitMQ
beside it answers `unknown exchange type`. What is expected here is what the plugin's README says.
"""

import time

import pika

from pika_session import assert_empty, bodies, channel, consume, publish, refused_channel, settle, take, wait_for
from scenario import equal, main, scenario, unique

TYPE = 'x-delayed-message'
# Nothing may come early; how late it may be leaves room for a busy machine.
LATE_S = 1.0


def delayed(ch, inner='direct', name=None, **options):
    name = name or unique('delayed')
    ch.exchange_declare(name, TYPE, auto_delete=True, arguments={'x-delayed-type': inner}, **options)
    return name


def bound(ch, exchange, key='', **options):
    queue = ch.queue_declare('', exclusive=True).method.queue
    ch.queue_bind(queue, exchange, key, **options)
    return queue


def depth(ch, queue):
    return ch.queue_declare(queue, passive=True).method.message_count


@scenario
def messages_come_at_their_times():
    with channel() as ch:
        exchange = delayed(ch)
        got, due = [], {}
        consume(ch, bound(ch, exchange, 'k'), got, auto_ack=True)
        arrivals = {}
        for delay in (900, 300, 600):
            publish(ch, 'k', b'%d' % delay, exchange=exchange, headers={'x-delay': delay}, message_id=str(delay))
            due[b'%d' % delay] = time.monotonic() + delay / 1000
        publish(ch, 'k', b'at once', exchange=exchange)
        while len(arrivals) < 4:
            wait_for(ch, got, len(arrivals) + 1)
            for _, _, body in got[len(arrivals):]:
                arrivals[body] = time.monotonic()
        equal([body for _, _, body in got], [b'at once', b'300', b'600', b'900'])
        for method, properties, body in got[1:]:
            # The plugin negates the header, so that whoever reads it knows that it was delayed.
            equal((properties.headers, properties.message_id), ({'x-delay': -int(body)}, body.decode()))
            equal((method.exchange, method.routing_key), (exchange, 'k'))
            late = arrivals[body] - due[body]
            assert -0.01 < late < LATE_S, (body, late)


@scenario
def it_routes_as_the_type_it_was_given():
    with channel() as ch:
        topic = delayed(ch, 'topic')
        one, two = bound(ch, topic, 'a.*'), bound(ch, topic, '#')
        publish(ch, 'a.b', b'1', exchange=topic, headers={'x-delay': 50})
        publish(ch, 'b', b'2', exchange=topic, headers={'x-delay': 100})
        equal((bodies(ch, two, 2), bodies(ch, one, 1)), ([b'1', b'2'], [b'1']))
        fanout = delayed(ch, 'fanout')
        some = [bound(ch, fanout), bound(ch, fanout)]
        publish(ch, 'whatever', b'3', exchange=fanout, headers={'x-delay': 50})
        equal([bodies(ch, queue, 1) for queue in some], [[b'3'], [b'3']])
        headers = delayed(ch, 'headers')
        matched = bound(ch, headers, arguments={'x-match': 'all', 'kind': 'a'})
        publish(ch, '', b'no', exchange=headers, headers={'x-delay': 50, 'kind': 'b'})
        publish(ch, '', b'yes', exchange=headers, headers={'x-delay': 50, 'kind': 'a'})
        equal(bodies(ch, matched, 1), [b'yes'])


@scenario
def no_delay_is_none():
    with channel() as ch:
        exchange = delayed(ch)
        queue = bound(ch, exchange, 'k')
        for headers in (None, {}, {'x-delay': 0}, {'x-delay': -5}):
            publish(ch, 'k', b'x', exchange=exchange, headers=headers)
        publish(ch, 'k', b'later', exchange=exchange, headers={'x-delay': 60_000})
        equal(depth(ch, queue), 4)


@scenario
def bindings_count_when_the_time_has_come():
    with channel() as ch:
        exchange = delayed(ch)
        early = bound(ch, exchange, 'k')
        publish(ch, 'k', b'x', exchange=exchange, headers={'x-delay': 400})
        late = bound(ch, exchange, 'k')
        ch.queue_unbind(early, exchange, 'k')
        equal(bodies(ch, late, 1), [b'x'])
        assert_empty(ch, early)


@scenario
def exchanges_on_both_sides_of_it():
    with channel() as ch:
        before, after = unique('before'), unique('after')
        for name in (before, after):
            ch.exchange_declare(name, 'fanout', auto_delete=True)
        exchange = delayed(ch, 'fanout')
        ch.exchange_bind(exchange, before)
        ch.exchange_bind(after, exchange)
        queue = bound(ch, after)
        publish(ch, 'k', b'x', exchange=before, headers={'x-delay': 200})
        assert_empty(ch, queue)
        equal(bodies(ch, queue, 1), [b'x'])


@scenario
def confirmed_and_kept_through_many():
    with channel() as ch:
        ch.confirm_delivery()
        exchange = delayed(ch, durable=True)
        queue = bound(ch, exchange, 'k')
        started = time.monotonic()
        for n in range(500):
            properties = pika.BasicProperties(delivery_mode=2, headers={'x-delay': 2000 + n % 5})
            ch.basic_publish(exchange, 'k', b'%d' % n, properties)
        # Of one delay they come in the order of publishing.
        got = [int(body) for _, _, body in take(ch, queue, 500, 20)]
        assert time.monotonic() - started >= 2
        equal(sorted(got), list(range(500)))
        for rest in range(5):
            some = [n for n in got if n % 5 == rest]
            equal(some, sorted(some))


@scenario
def expiration_begins_in_the_queue():
    with channel() as ch:
        exchange = delayed(ch)
        queue = bound(ch, exchange, 'k')
        publish(ch, 'k', b'x', exchange=exchange, headers={'x-delay': 600}, expiration='400')
        time.sleep(0.5)
        equal(depth(ch, queue), 0)
        [(_, properties, body)] = take(ch, queue, 1)
        equal((body, properties.expiration), (b'x', '400'))


@scenario
def nobody_is_told_of_a_delayed_message_without_a_queue():
    with channel() as ch:
        exchange = delayed(ch)
        returned = []
        ch.add_on_return_callback(lambda _, method, properties, body: returned.append(body))
        ch.basic_publish(exchange, 'none', b'delayed', pika.BasicProperties(headers={'x-delay': 50}), mandatory=True)
        ch.basic_publish(exchange, 'none', b'at once', mandatory=True)
        settle(ch, 0.4)
        equal(returned, [b'at once'])


@scenario
def retries_that_wait_longer_each_time():
    """What the plugin is used for most: a consumer that fails publishes again, with a longer delay."""
    with channel() as ch:
        exchange = delayed(ch)
        queue = bound(ch, exchange, 'work')
        started = time.monotonic()
        publish(ch, 'work', b'job', exchange=exchange, headers={'attempt': 1})
        for attempt in (1, 2, 3):
            [(method, properties, body)] = take(ch, queue, 1)
            equal(properties.headers['attempt'], attempt)
            headers = {'attempt': attempt + 1, 'x-delay': 200 * attempt}
            publish(ch, 'work', body, exchange=exchange, headers=headers)
            ch.basic_ack(method.delivery_tag)
        take(ch, queue, 1)
        assert time.monotonic() - started > 1.19


@scenario
def dead_letters_wait_too():
    """A queue whose dead letters go through the exchange, with the delay that each message names."""
    with channel() as ch:
        exchange = delayed(ch, 'fanout')
        last = bound(ch, exchange)
        first = ch.queue_declare(
            '', exclusive=True, arguments={'x-dead-letter-exchange': exchange, 'x-message-ttl': 50}
        ).method.queue
        started = time.monotonic()
        publish(ch, first, b'x', headers={'x-delay': 500})
        [(_, properties, body)] = take(ch, last, 1)
        assert time.monotonic() - started > 0.5
        equal((body, properties.headers['x-death'][0]['reason']), (b'x', 'expired'))


@scenario
def refusals():
    def declared(arguments):
        return refused_channel(lambda ch: ch.exchange_declare(unique('x'), TYPE, arguments=arguments))

    for arguments in (None, {'x-delayed-type': 7}):
        code, text = declared(arguments)
        equal(code, 406)
        assert "'x-delayed-type' must be an existing exchange type" in text, text
    code, text = declared({'x-delayed-type': 'nonsense'})
    equal(code, 406)
    assert "unknown exchange type 'nonsense'" in text, text
    with channel() as ch:
        exchange = delayed(ch, 'topic')
        bound(ch, exchange, 'k')

        def other(c):
            c.exchange_declare(exchange, TYPE, auto_delete=True, arguments={'x-delayed-type': 'direct'})

        equal(refused_channel(other)[0], 406)
        # The same once more is the same.
        delayed(ch, 'topic', name=exchange)


main()
