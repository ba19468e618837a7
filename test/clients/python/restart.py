"""Two programs in one file: `before` writes what a killed broker must still have, `after` looks for it.

What they agree on (names, counts) goes from one to the other by the file $STATE.
"""

import json
import os
import sys
import time

import pika
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import CoordinatorLoadInProgressError

from pika_session import assert_empty, bodies, channel, consume, publish, refused_channel, take, wait_for
from scenario import KAFKA, TARGET, equal, eventually, expected, main, scenario, unique

PHASE = sys.argv[1]
state = {}
if PHASE == 'after':
    with open(os.environ['STATE']) as file:
        state = json.load(file)


def before(function):
    return scenario(function) if PHASE == 'before' else function


def after(function):
    return scenario(function) if PHASE == 'after' else function


def remember(**values):
    state.update(values)
    with open(os.environ['STATE'], 'w') as file:
        json.dump(state, file)


@before
def write_kafka_topics():
    topic, group = unique('kept'), unique('kept-group')
    admin = KafkaAdminClient(bootstrap_servers=KAFKA)
    admin.create_topics({topic: {'num_partitions': 3, 'configs': {'retention.ms': '123456789'}}})
    producer = KafkaProducer(bootstrap_servers=KAFKA, acks='all', compression_type='gzip', linger_ms=5)
    for n in range(900):
        producer.send(topic, b'%d' % n, key=b'k%d' % n, partition=n % 3, headers=[('n', b'%d' % n)])
    producer.flush()
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=KAFKA, group_id=group, enable_auto_commit=False)
    consumer.assign([TopicPartition(topic, 0)])
    consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(123, 'noted', -1)})
    consumer.close()
    remember(topic=topic, group=group)


@before
def write_amqp_queues():
    names = {name: unique(name) for name in ('exchange', 'durable', 'passing', 'quorum', 'stream')}
    with channel() as ch:
        ch.confirm_delivery()
        ch.exchange_declare(names['exchange'], 'topic', durable=True)
        ch.queue_declare(names['durable'], durable=True, arguments={'x-max-priority': 3})
        ch.queue_bind(names['durable'], names['exchange'], 'a.#')
        ch.queue_declare(names['passing'], durable=False)
        for kind in ('quorum', 'stream'):
            ch.queue_declare(names[kind], durable=True, arguments={'x-queue-type': kind})
        for n in range(100):
            properties = pika.BasicProperties(delivery_mode=2, headers={'n': n}, priority=n % 2, message_id=str(n))
            ch.basic_publish(names['exchange'], 'a.b', b'%d' % n, properties)
        publish(ch, names['durable'], b'transient', delivery_mode=1)
        publish(ch, names['quorum'], *[b'%d' % n for n in range(50)], delivery_mode=2)
        publish(ch, names['stream'], *[b'%d' % n for n in range(50)])
        publish(ch, names['passing'], b'gone', delivery_mode=2)
        # Ten settled for good, ten more only handed out.
        for method, _, _ in take(ch, names['durable'], 20)[:10]:
            ch.basic_ack(method.delivery_tag)
        for method, _, _ in take(ch, names['quorum'], 5):
            ch.basic_ack(method.delivery_tag)
        eventually(lambda: ch.queue_declare(names['durable'], passive=True).method.message_count == 81)
    remember(**names)


if TARGET == 'posthorn':  # RabbitMQ's plugin for it is not in Debian

    @before
    def write_delayed_messages():
        exchange, queue = unique('delaying'), unique('delayed')
        with channel() as ch:
            ch.confirm_delivery()
            ch.exchange_declare(exchange, 'x-delayed-message', durable=True, arguments={'x-delayed-type': 'direct'})
            ch.queue_declare(queue, durable=True)
            ch.queue_bind(queue, exchange, 'k')
            # Some are due while nobody is there to bring them, some long after.
            for delay in (500, 1000, 20_000):
                publish(ch, 'k', b'%d' % delay, exchange=exchange, delivery_mode=2, headers={'x-delay': delay})
        remember(delayed=queue, delayed_at=time.time())

    @after
    def delayed_messages_that_were_due_have_come():
        with channel() as ch:
            equal(bodies(ch, state['delayed'], 2), [b'500', b'1000'])


@after
def kafka_topics_are_whole():
    topic = state['topic']
    consumer = KafkaConsumer(
        topic, bootstrap_servers=KAFKA, auto_offset_reset='earliest', consumer_timeout_ms=8000, enable_auto_commit=False
    )
    records = []
    for record in consumer:
        records.append(record)
        if len(records) == 900:
            break
    consumer.close()
    equal(sorted(int(r.value) for r in records), list(range(900)))
    equal({r.partition for r in records}, {0, 1, 2})
    for record in records:
        n = int(record.value)
        equal((record.key, list(record.headers), record.offset), (b'k%d' % n, [('n', b'%d' % n)], n // 3))
    admin = KafkaAdminClient(bootstrap_servers=KAFKA)

    def offsets():
        try:
            return admin.list_group_offsets({state['group']: None})[state['group']]
        except CoordinatorLoadInProgressError:
            return None

    committed = eventually(offsets)
    equal({p.partition: (o.offset, o.metadata) for p, o in committed.items()}, {0: (123, 'noted')})
    configs = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    assert '123456789' in repr(configs), configs
    producer = KafkaProducer(bootstrap_servers=KAFKA)
    equal(producer.send(topic, b'next', partition=0).get(timeout=10).offset, 300)
    admin.close()


@after
def durable_queue_is_whole_and_in_order():
    with channel() as ch:
        kept = expected('transient_after_restart') == 'kept'
        messages = take(ch, state['durable'], 91 if kept else 90)
        assert_empty(ch, state['durable'])
        if kept:
            equal(messages.pop()[2], b'transient')
        got = [int(body) for _, _, body in messages]
        odd_first = [n for n in range(100) if n % 2] + [n for n in range(100) if not n % 2]
        equal(got, odd_first[10:], 'the ten settled are gone, the rest in order of priority')
        for method, properties, body in messages:
            n = int(body)
            equal((properties.headers, properties.message_id, properties.delivery_mode), ({'n': n}, str(n), 2))
        equal([m.redelivered for m, _, _ in messages[:10]], [True] * 10)
        ch.basic_ack(0, multiple=True)
        # The binding is there too.
        publish(ch, 'a.x', b'routed', exchange=state['exchange'])
        equal(bodies(ch, state['durable'], 1), [b'routed'])


@after
def transient_queue_is_gone():
    code, _ = refused_channel(lambda c: c.queue_declare(state['passing'], passive=True))
    equal(code, 404)


@after
def quorum_queue_is_whole():
    with channel() as ch:
        equal([int(body) for _, _, body in take(ch, state['quorum'], 45)], list(range(5, 50)))
        assert_empty(ch, state['quorum'])


@after
def stream_is_whole():
    with channel() as ch:
        ch.basic_qos(prefetch_count=100)
        got = []
        consume(ch, state['stream'], got, arguments={'x-stream-offset': 'first'})
        wait_for(ch, got, 50, 20)
        equal([(int(b), p.headers['x-stream-offset']) for _, p, b in got], [(n, n) for n in range(50)])


if TARGET == 'posthorn':

    @after
    def delayed_messages_come_at_their_times():
        with channel() as ch:
            [(_, _, body)] = take(ch, state['delayed'], 1, 30)
            equal(body, b'20000')
            assert time.time() - state['delayed_at'] > 19.9


main()
