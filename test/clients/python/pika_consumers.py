"""pika: how messages are handed out: prefetch, priorities, single active consumer, RPC, quorum and stream queues."""

import datetime
import time

import pika
import pika.exceptions

from pika_session import channel, consume, publish, refused_channel, refused_connection, settle, take, wait_for
from scenario import equal, main, scenario, unique


def tags(messages):
    return [method.delivery_tag for method, _, _ in messages]


@scenario
def prefetch_of_one_takes_turns():
    with channel() as ch, channel() as other:
        queue = unique('turns')
        ch.queue_declare(queue)
        slow, quick = [], []
        ch.basic_qos(prefetch_count=1)
        other.basic_qos(prefetch_count=1)
        consume(ch, queue, slow)
        consume(other, queue, quick)
        publish(ch, queue, *[b'%d' % n for n in range(6)])
        wait_for(ch, slow, 1)
        for n in range(5):
            wait_for(other, quick, n + 1)
            equal(len(quick), n + 1)
            other.basic_ack(quick[n][0].delivery_tag)
        settle(other)
        equal((len(slow), len(quick)), (1, 5))
        equal(sorted(b for _, _, b in slow + quick), [b'%d' % n for n in range(6)])
        ch.queue_delete(queue)


@scenario
def prefetch_per_consumer_and_per_channel():
    with channel() as ch:
        first_queue = ch.queue_declare('', exclusive=True).method.queue
        second_queue = ch.queue_declare('', exclusive=True).method.queue
        for queue in (first_queue, second_queue):
            publish(ch, queue, *[b'%d' % n for n in range(20)])
        # global=False counts for consumers that start later, each on its own.
        first, second, third = [], [], []
        ch.basic_qos(prefetch_count=3)
        consume(ch, first_queue, first)
        ch.basic_qos(prefetch_count=5)
        consume(ch, second_queue, second)
        wait_for(ch, second, 5)
        settle(ch)
        equal((len(first), len(second)), (3, 5))
        ch.basic_ack(first[1][0].delivery_tag)
        wait_for(ch, first, 4)
        settle(ch)
        equal((len(first), len(second)), (4, 5))
    with channel() as ch:
        queue = ch.queue_declare('', exclusive=True).method.queue
        publish(ch, queue, *[b'%d' % n for n in range(40)])
        # global=True counts over all consumers of the channel.
        ch.basic_qos(prefetch_count=4, global_qos=True)
        first, second = [], []
        consume(ch, queue, first)
        consume(ch, queue, second)
        settle(ch, 0.5)
        equal(len(first) + len(second), 4)
        ch.basic_ack(max(tags(first + second)), multiple=True)
        settle(ch, 0.5)
        equal(len(first) + len(second), 8)
        # A larger limit hands out more at once, a smaller one nothing until enough came back.
        ch.basic_qos(prefetch_count=6, global_qos=True)
        settle(ch, 0.5)
        equal(len(first) + len(second), 10)
        ch.basic_qos(prefetch_count=2, global_qos=True)
        everything = sorted(tags(first + second))
        ch.basic_ack(everything[-3], multiple=True)
        settle(ch, 0.5)
        equal(len(first) + len(second), 10)
        ch.basic_ack(0, multiple=True)
        settle(ch, 0.5)
        equal(len(first) + len(second), 12)


@scenario
def no_ack_ignores_prefetch():
    with channel() as ch:
        queue = ch.queue_declare('', exclusive=True).method.queue
        publish(ch, queue, *[b'%d' % n for n in range(50)])
        ch.basic_qos(prefetch_count=2)
        got = []
        tag = consume(ch, queue, got, auto_ack=True)
        wait_for(ch, got, 50)
        equal([b for _, _, b in got], [b'%d' % n for n in range(50)])
        equal({m.consumer_tag for m, _, _ in got}, {tag})
        equal(tags(got), list(range(1, 51)))


@scenario
def cancel_stops_deliveries():
    with channel() as ch:
        queue = ch.queue_declare('', exclusive=True).method.queue
        got = []
        tag = consume(ch, queue, got, consumer_tag='mine')
        equal(tag, 'mine')
        publish(ch, queue, b'x')
        wait_for(ch, got, 1)
        ch.basic_cancel('mine')
        publish(ch, queue, b'y')
        settle(ch)
        equal(len(got), 1)
        equal([b for _, _, b in take(ch, queue, 1)], [b'y'])


@scenario
def consumer_priorities():
    with channel() as ch:
        queue = ch.queue_declare('', exclusive=True).method.queue
        ch.basic_qos(prefetch_count=2)
        low, high = [], []
        consume(ch, queue, low, arguments={'x-priority': -1})
        consume(ch, queue, high, arguments={'x-priority': 10})
        publish(ch, queue, b'1')
        wait_for(ch, high, 1)
        publish(ch, queue, b'2', b'3')
        wait_for(ch, low, 1)
        equal(([b for _, _, b in high], [b for _, _, b in low]), ([b'1', b'2'], [b'3']))
        for tag in tags(high):
            ch.basic_ack(tag)
        publish(ch, queue, b'4')
        wait_for(ch, high, 3)
        equal(high[2][2], b'4')


@scenario
def single_active_consumer():
    with channel() as ch:
        queue = unique('single')
        ch.queue_declare(queue, arguments={'x-single-active-consumer': True})
        first, second = [], []
        with channel() as one:
            two = one.connection.channel()
            active = consume(one, queue, first)
            consume(two, queue, second)
            publish(ch, queue, b'1', b'2')
            wait_for(one, first, 2)
            settle(two)
            equal(second, [])
            one.basic_ack(first[0][0].delivery_tag)
            one.basic_cancel(active)
            publish(ch, queue, b'3')
            wait_for(two, second, 1)
            equal([b for _, _, b in second], [b'3'])
            one.close()
            wait_for(two, second, 2)
            equal((second[1][2], second[1][0].redelivered), (b'2', True))
        code, text = refused_channel(lambda c: c.basic_consume(queue, lambda *_: None, exclusive=True))
        equal(code, 403)
        ch.queue_delete(queue)


@scenario
def exclusive_consumer():
    with channel() as ch:
        queue = unique('alone')
        ch.queue_declare(queue)
        tag = consume(ch, queue, [], exclusive=True)
        wanted = (403, "ACCESS_REFUSED - queue '%s' in vhost '/' in exclusive use" % queue)
        equal(refused_channel(lambda c: c.basic_consume(queue, lambda *_: None)), wanted)
        ch.basic_cancel(tag)
        second = consume(ch, queue, [])
        equal(refused_channel(lambda c: c.basic_consume(queue, lambda *_: None, exclusive=True)), wanted)
        ch.basic_cancel(second)
        ch.queue_delete(queue)


@scenario
def direct_reply_to_rpc():
    with channel() as server, channel() as client:
        queue = unique('rpc')
        server.queue_declare(queue, exclusive=True)
        requests, answers = [], []
        consume(server, queue, requests, auto_ack=True)
        consume(client, 'amq.rabbitmq.reply-to', answers, auto_ack=True)
        publish(client, queue, b'2 + 2', reply_to='amq.rabbitmq.reply-to', correlation_id='q1')
        [(_, properties, body)] = wait_for(server, requests, 1)
        assert properties.reply_to.startswith('amq.rabbitmq.reply-to.'), properties.reply_to
        equal((body, properties.correlation_id), (b'2 + 2', 'q1'))
        # The server may look whether anyone still waits.
        server.queue_declare(properties.reply_to, passive=True)
        publish(server, properties.reply_to, b'4', correlation_id='q1')
        [(method, answer, body)] = wait_for(client, answers, 1)
        equal((body, answer.correlation_id, method.exchange), (b'4', 'q1', ''))


@scenario
def direct_reply_to_errors():
    equal(
        refused_channel(lambda c: c.basic_consume('amq.rabbitmq.reply-to', lambda *_: None)),
        (406, 'PRECONDITION_FAILED - reply consumer cannot acknowledge'),
    )
    equal(
        refused_channel(lambda c: publish(c, 'anywhere', b'x', reply_to='amq.rabbitmq.reply-to')),
        (406, 'PRECONDITION_FAILED - fast reply consumer does not exist'),
    )

    def twice(ch):
        ch.basic_consume('amq.rabbitmq.reply-to', lambda *_: None, auto_ack=True)
        ch.basic_consume('amq.rabbitmq.reply-to', lambda *_: None, auto_ack=True)

    equal(refused_channel(twice), (406, 'PRECONDITION_FAILED - reply consumer already set'))


@scenario
def recover_hands_out_again():
    with channel() as ch:
        queue = ch.queue_declare('', exclusive=True).method.queue
        publish(ch, queue, b'1', b'2', b'3')
        got = []
        consume(ch, queue, got)
        wait_for(ch, got, 3)
        ch.basic_ack(got[0][0].delivery_tag)
        ch.basic_recover(requeue=True)
        wait_for(ch, got, 5)
        equal([(b, m.redelivered, m.delivery_tag) for m, _, b in got[3:]], [(b'2', True, 4), (b'3', True, 5)])
    equal(refused_connection(lambda c: c.basic_recover(requeue=False))[0], 540)


@scenario
def quorum_queue_counts_deliveries_and_limits_them():
    with channel() as ch:
        ch.confirm_delivery()
        queue, grave = unique('quorum'), unique('grave')
        ch.queue_declare(grave, durable=True)
        arguments = {
            'x-queue-type': 'quorum',
            'x-delivery-limit': 2,
            'x-dead-letter-exchange': '',
            'x-dead-letter-routing-key': grave,
        }
        ch.queue_declare(queue, durable=True, arguments=arguments)
        publish(ch, queue, b'poison', delivery_mode=2)
        ch.basic_qos(prefetch_count=10)
        got = []
        consume(ch, queue, got)
        counts = []
        for n in range(3):
            wait_for(ch, got, n + 1)
            method, properties, _ = got[n]
            counts.append(((properties.headers or {}).get('x-delivery-count'), method.redelivered))
            ch.basic_nack(method.delivery_tag, requeue=True)
        equal(counts, [(None, False), (1, True), (2, True)])
        [(_, properties, body)] = take(ch, grave, 1)
        [death] = properties.headers['x-death']
        equal((body, death['reason'], death['queue'], death['count']), (b'poison', 'delivery_limit', queue, 1))
        ch.queue_delete(queue)
        ch.queue_delete(grave)


@scenario
def quorum_queue_rules():
    kind = {'x-queue-type': 'quorum'}
    name = unique('q')
    for options, property_name, got in (
        ({'durable': False}, 'non-durable', 'false'),
        ({'durable': True, 'exclusive': True}, 'exclusive-owner', None),
        ({'durable': True, 'auto_delete': True}, 'auto-delete', 'true'),
    ):
        code, text = refused_channel(lambda c: c.queue_declare(name, arguments=kind, **options))
        equal(code, 406)
        assert text.startswith("PRECONDITION_FAILED - invalid property '%s' for queue '%s'" % (property_name, name)), text
    for argument, value in (('x-max-priority', 5), ('x-queue-mode', 'lazy'), ('x-max-age', '1h')):
        arguments = {**kind, argument: value}
        code, text = refused_channel(lambda c: c.queue_declare(name, durable=True, arguments=arguments))
        equal(code, 406)
        assert text.startswith("PRECONDITION_FAILED - invalid arg '%s' for queue '%s'" % (argument, name)), text


def read_stream(queue, count, offset, prefetch=100):
    """Reads `count` messages from `offset` with a new connection: [(offset, body)]."""
    with channel() as ch:
        ch.basic_qos(prefetch_count=prefetch)
        got = []
        consume(ch, queue, got, arguments={} if offset is None else {'x-stream-offset': offset})
        seen = 0
        while seen < count:
            wait_for(ch, got, seen + 1)
            while seen < len(got):
                ch.basic_ack(got[seen][0].delivery_tag)
                seen += 1
        return [(properties.headers['x-stream-offset'], body) for _, properties, body in got[:count]]


@scenario
def stream_queue_is_read_again_and_again():
    with channel() as ch:
        ch.confirm_delivery()
        queue = unique('stream')
        ch.queue_declare(queue, durable=True, arguments={'x-queue-type': 'stream'})
        for n in range(20):
            publish(ch, queue, b'%d' % n, message_id=str(n), headers={'n': n})
        everything = [(n, b'%d' % n) for n in range(20)]
        equal(read_stream(queue, 20, 'first'), everything)
        equal(read_stream(queue, 20, 'first', prefetch=3), everything, 'with little credit')
        equal(read_stream(queue, 15, 5), everything[5:])
        # "last" starts at the last chunk, whose size is the broker's business; it ends with the newest.
        last = read_stream(queue, 1, 'last')
        assert last[0] in everything, last
        with channel() as tail:
            tail.basic_qos(prefetch_count=10)
            got = []
            consume(tail, queue, got, arguments={'x-stream-offset': 'next'})
            settle(tail, 0.5)
            publish(ch, queue, b'new')
            wait_for(tail, got, 1)
            equal((got[0][2], got[0][1].headers['x-stream-offset']), (b'new', 20))
            equal(got[0][0].redelivered, False)
        with channel() as detail:
            detail.basic_qos(prefetch_count=1)
            got = []
            consume(detail, queue, got, arguments={'x-stream-offset': 7})
            [(_, properties, _)] = wait_for(detail, got, 1)
            equal((properties.message_id, properties.headers), ('7', {'n': 7, 'x-stream-offset': 7}))
        ch.queue_delete(queue)


@scenario
def stream_queue_by_time():
    with channel() as ch:
        ch.confirm_delivery()
        queue = unique('timed')
        ch.queue_declare(queue, durable=True, arguments={'x-queue-type': 'stream'})
        publish(ch, queue, b'old')
        time.sleep(2.2)
        since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
        publish(ch, queue, b'new')
        equal(read_stream(queue, 1, since), [(1, b'new')])
        equal(read_stream(queue, 2, '1h'), [(0, b'old'), (1, b'new')])
        ch.queue_delete(queue)


@scenario
def stream_queue_rules():
    with channel() as ch:
        queue = unique('stream')
        ch.queue_declare(queue, durable=True, arguments={'x-queue-type': 'stream'})
        equal(
            refused_channel(lambda c: c.basic_consume(queue, lambda *_: None)),
            (406, "PRECONDITION_FAILED - consumer prefetch count is not set for 'queue '%s' in vhost '/''" % queue),
        )

        def no_ack(c):
            c.basic_qos(prefetch_count=1)
            c.basic_consume(queue, lambda *_: None, auto_ack=True)

        code, text = refused_connection(no_ack)
        equal((code, text), (540, "NOT_IMPLEMENTED - automatic acknowledgement not supported by stream queues queue '%s' in vhost '/'" % queue))
        code, text = refused_connection(lambda c: c.basic_get(queue))
        equal((code, text), (540, "NOT_IMPLEMENTED - basic.get not supported by stream queues queue '%s' in vhost '/'" % queue))
        code, text = refused_connection(lambda c: c.queue_purge(queue))
        equal(code, 540)
        ch.queue_delete(queue)


main()
