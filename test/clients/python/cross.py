"""One message, two worlds: published with pika and read with kafka-python, and the other way round.

docs/mapping.md says what becomes of every property; test/interop goes through its rows. Here the two
clients people have do it, with codecs and groups in between. No real broker can be the peer of this.
"""

import datetime
import time

import pika
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient

from pika_session import assert_empty, bodies, channel, consume, publish, take, wait_for
from scenario import KAFKA, equal, eventually, main, scenario, unique


def create(name, partitions=1):
    topic = unique(name)
    admin = KafkaAdminClient(bootstrap_servers=KAFKA)
    admin.create_topics({topic: {'num_partitions': partitions, 'replication_factor': 1}})
    admin.close()
    return topic


def records_of(topic, count, **options):
    consumer = KafkaConsumer(
        topic, bootstrap_servers=KAFKA, auto_offset_reset='earliest', consumer_timeout_ms=10000, **options
    )
    records = []
    for record in consumer:
        records.append(record)
        if len(records) == count:
            break
    consumer.close()
    equal(len(records), count, 'records')
    return records


def stream_of(topic, count, offset='first'):
    with channel() as ch:
        ch.basic_qos(prefetch_count=100)
        got = []
        consume(ch, topic, got, arguments={'x-stream-offset': offset})
        seen = 0
        while seen < count:
            wait_for(ch, got, seen + 1, 15)
            for method, _, _ in got[seen:]:
                ch.basic_ack(method.delivery_tag)
            seen = len(got)
        return got[:count]


@scenario
def published_by_pika_read_by_a_kafka_consumer():
    topic = create('from-amqp')
    with channel() as ch:
        ch.confirm_delivery()
        properties = pika.BasicProperties(
            content_type='application/json',
            correlation_id='c-1',
            message_id='m-1',
            timestamp=1_700_000_000,
            type='order',
            app_id='shop',
            delivery_mode=2,
            headers={'x-key': 'käse', 'text': 'ü', 'number': 42, 'flag': True, 'raw': b'\x00\xff'},
        )
        ch.basic_publish('', topic, b'{"n": 1}', properties)
        ch.basic_publish('', topic, b'bare')
    rich, bare = records_of(topic, 2)
    headers = dict(rich.headers)
    equal((rich.value, rich.key, rich.timestamp), (b'{"n": 1}', 'käse'.encode(), 1_700_000_000_000))
    for name, value in {
        'content-type': b'application/json',
        'correlation-id': b'c-1',
        'message-id': b'm-1',
        'type': b'order',
        'app-id': b'shop',
        'text': 'ü'.encode(),
        'number': b'42',
        'flag': b'true',
        'raw': b'\x00\xff',
    }.items():
        equal(headers.get(name), value, name)
    equal((bare.value, bare.key, bare.offset), (b'bare', None, 1))
    assert abs(bare.timestamp - time.time() * 1000) < 60_000, bare.timestamp


@scenario
def produced_by_kafka_python_consumed_with_pika():
    topic = create('from-kafka')
    producer = KafkaProducer(bootstrap_servers=KAFKA)
    producer.send(
        topic,
        b'{"n": 1}',
        key='käse'.encode(),
        timestamp_ms=1_700_000_001_234,
        headers=[
            ('content-type', b'application/json'),
            ('correlation-id', b'c-1'),
            ('message-id', b'm-1'),
            ('text', 'ü'.encode()),
            ('raw', b'\x00\xff'),
            ('twice', b'1'),
            ('twice', b'2'),
        ],
    )
    producer.send(topic, None, key=b'\xff\x00')
    producer.flush()
    (method, properties, body), (_, second, empty) = stream_of(topic, 2)
    equal((method.exchange, method.routing_key, body), ('', topic, b'{"n": 1}'))
    equal(
        (properties.content_type, properties.correlation_id, properties.message_id, properties.delivery_mode),
        ('application/json', 'c-1', 'm-1', 2),
    )
    stamp = properties.timestamp
    if isinstance(stamp, datetime.datetime):
        stamp = int(stamp.timestamp())
    equal(stamp, 1_700_000_001)
    headers = properties.headers
    equal((headers['x-key'], headers['text'], headers['x-stream-offset']), ('käse', 'ü', 0))
    equal((bytes(headers['raw']), headers['twice']), (b'\x00\xff', ['1', '2']))
    equal((empty, bytes(second.headers['x-key']), second.headers['x-stream-offset']), (b'', b'\xff\x00', 1))


@scenario
def every_codec_of_kafka_is_readable_by_pika():
    for codec in ('gzip', 'snappy', 'lz4', 'zstd'):
        topic = create(codec)
        producer = KafkaProducer(bootstrap_servers=KAFKA, compression_type=codec, linger_ms=20)
        for n in range(300):
            producer.send(topic, b'%d' % n, key=b'k')
        producer.flush()
        producer.close()
        got = stream_of(topic, 300)
        equal([(int(body), p.headers['x-stream-offset']) for _, p, body in got], [(n, n) for n in range(300)], codec)
        # Any offset, also one in the middle of a compressed batch.
        [(_, properties, body)] = stream_of(topic, 1, 123)
        equal((body, properties.headers['x-stream-offset']), (b'123', 123), codec)


@scenario
def an_exchange_feeds_a_topic_and_a_topic_feeds_a_queue():
    topic, exchange, queue = create('fed'), unique('orders'), unique('eu')
    with channel() as ch:
        ch.confirm_delivery()
        ch.exchange_declare(exchange, 'topic')
        ch.queue_bind(topic, exchange, 'order.#')
        ch.queue_declare(queue, durable=True)
        ch.queue_bind(queue, topic, 'order.eu.*')
        publish(ch, 'order.eu.1', b'eu', exchange=exchange)
        publish(ch, 'order.us.1', b'us', exchange=exchange)
        publish(ch, 'other', b'no', exchange=exchange)
        equal([(r.key, r.value) for r in records_of(topic, 2)], [(b'order.eu.1', b'eu'), (b'order.us.1', b'us')])
        producer = KafkaProducer(bootstrap_servers=KAFKA)
        producer.send(topic, b'from kafka', key=b'order.eu.2', headers=[('content-type', b'text/plain')])
        producer.send(topic, b'elsewhere', key=b'order.us.2')
        producer.flush()
        messages = take(ch, queue, 2)
        equal([body for _, _, body in messages], [b'eu', b'from kafka'])
        method, properties, _ = messages[1]
        equal((method.routing_key, properties.content_type), ('order.eu.2', 'text/plain'))
        ch.basic_ack(0, multiple=True)
        assert_empty(ch, queue)
        ch.queue_delete(queue)
        ch.exchange_delete(exchange)


@scenario
def a_stream_declared_by_amqp_is_a_topic():
    queue = unique('declared')
    with channel() as ch:
        ch.confirm_delivery()
        ch.queue_declare(queue, durable=True, arguments={'x-queue-type': 'stream'})
        publish(ch, queue, *[b'%d' % n for n in range(10)])
        equal([int(r.value) for r in records_of(queue, 10)], list(range(10)))
        producer = KafkaProducer(bootstrap_servers=KAFKA)
        equal(producer.send(queue, b'10').get(timeout=10).offset, 10)
        equal([body for _, _, body in stream_of(queue, 11)][-1], b'10')
        ch.queue_delete(queue)
    admin = KafkaAdminClient(bootstrap_servers=KAFKA)
    eventually(lambda: queue not in admin.list_topics())
    admin.close()


@scenario
def both_at_once_in_one_topic_and_order():
    topic = create('mixed')
    producer = KafkaProducer(bootstrap_servers=KAFKA)
    with channel() as ch:
        ch.confirm_delivery()
        for n in range(50):
            publish(ch, topic, b'%d' % (2 * n))
            producer.send(topic, b'%d' % (2 * n + 1)).get(timeout=10)
    equal([int(r.value) for r in records_of(topic, 100)], list(range(100)))
    equal([int(body) for _, _, body in stream_of(topic, 100)], list(range(100)))


@scenario
def a_kafka_group_and_work_queue_of_the_same_messages():
    topic, queue, group = create('jobs', 3), unique('workers'), unique('group')
    with channel() as ch:
        ch.queue_declare(queue, durable=True)
        ch.queue_bind(queue, topic, '#')
        producer = KafkaProducer(bootstrap_servers=KAFKA)
        for n in range(90):
            producer.send(topic, b'%d' % n, key=b'k%d' % n)
        producer.flush()
        equal(sorted(int(r.value) for r in records_of(topic, 90, group_id=group)), list(range(90)))
        equal(sorted(int(body) for body in bodies(ch, queue, 90)), list(range(90)))
        ch.queue_delete(queue)


main()
