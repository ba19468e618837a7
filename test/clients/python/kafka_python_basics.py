"""kafka-python: producing and consuming: codecs, keys, headers, tombstones, timestamps, sizes, seeking."""

import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import MessageSizeTooLargeError, UnknownTopicOrPartitionError

from scenario import KAFKA, equal, main, scenario, unique


def producer(**options):
    return KafkaProducer(bootstrap_servers=KAFKA, **options)


def consumer(*topics, **options):
    settings = {'auto_offset_reset': 'earliest', 'consumer_timeout_ms': 10000, 'enable_auto_commit': False}
    return KafkaConsumer(*topics, bootstrap_servers=KAFKA, **{**settings, **options})


def read(topic, count, **options):
    """The first `count` records of a topic, and a look that no more come."""
    records = []
    reader = consumer(topic, **options)
    try:
        for record in reader:
            records.append(record)
            if len(records) == count:
                break
        equal(len(records), count, 'records of %s' % topic)
        more = reader.poll(timeout_ms=300)
        equal(sum(len(batch) for batch in more.values()), 0, 'more records than sent')
    finally:
        reader.close()
    return records


@scenario
def every_codec():
    for codec in (None, 'gzip', 'snappy', 'lz4', 'zstd'):
        topic = unique('codec-%s' % codec)
        sender = producer(compression_type=codec, linger_ms=20)
        values = [b'%d ' % n * (1 + n % 50) for n in range(500)]
        for n, value in enumerate(values):
            sender.send(topic, value, key=b'k%d' % n, headers=[('n', b'%d' % n)])
        sender.flush()
        sender.close()
        records = read(topic, 500)
        equal([r.value for r in records], values, codec)
        equal([r.offset for r in records], list(range(500)), codec)
        equal([list(r.headers) for r in records], [[('n', b'%d' % n)] for n in range(500)], codec)


@scenario
def keys_headers_and_tombstones():
    topic = unique('shapes')
    sender = producer()
    cases = [
        (b'key', b'value', [('h', b'1'), ('h', b'2'), ('empty', b''), ('ü', b'\x00\xff')]),
        (None, b'no key', []),
        (b'tombstone', None, []),
        (b'only', None, [('headers', b'1')]),
        (b'', b'', []),
    ]
    for key, value, headers in cases:
        sender.send(topic, value=value, key=key, headers=headers)
    sender.flush()
    records = read(topic, len(cases))
    equal([(r.key, r.value, list(r.headers)) for r in records], cases)


@scenario
def metadata_of_a_send():
    topic = unique('sent')
    sender = producer(acks='all')
    before = int(time.time() * 1000)
    metadata = [sender.send(topic, b'%d' % n).get(timeout=10) for n in range(3)]
    equal([(m.topic, m.partition, m.offset) for m in metadata], [(topic, 0, n) for n in range(3)])
    assert before <= metadata[0].timestamp <= int(time.time() * 1000)
    for acks in (0, 1, 'all'):
        other = producer(acks=acks, enable_idempotence=False)
        other.send(topic, b'acks')
        other.flush()
        other.close()
    equal(len(read(topic, 6)), 6)


@scenario
def timestamps_and_offsets_for_times():
    topic = unique('times')
    sender = producer()
    base = 1_700_000_000_000
    for n in range(10):
        sender.send(topic, b'%d' % n, timestamp_ms=base + n * 1000).get(timeout=10)
    records = read(topic, 10)
    equal([r.timestamp for r in records], [base + n * 1000 for n in range(10)])
    equal({r.timestamp_type for r in records}, {0})
    reader = consumer()
    partition = TopicPartition(topic, 0)
    for wanted, offset, timestamp in (
        (base, 0, base),
        (base + 1, 1, base + 1000),
        (base + 4500, 5, base + 5000),
        (base - 10**6, 0, base),
        (base + 9000, 9, base + 9000),
    ):
        found = reader.offsets_for_times({partition: wanted})[partition]
        equal((found.offset, found.timestamp), (offset, timestamp), wanted)
    equal(reader.offsets_for_times({partition: base + 9001})[partition], None)
    equal(reader.beginning_offsets([partition]), {partition: 0})
    equal(reader.end_offsets([partition]), {partition: 10})
    reader.close()


@scenario
def seek_pause_and_position():
    topic = unique('seek')
    sender = producer()
    for n in range(20):
        sender.send(topic, b'%d' % n)
    sender.flush()
    partition = TopicPartition(topic, 0)
    reader = consumer()
    reader.assign([partition])

    def next_values(count):
        values = []
        while len(values) < count:
            batch = reader.poll(timeout_ms=5000, max_records=count - len(values))
            assert batch, values
            values += [r.value for r in batch[partition]]
        return values

    reader.seek(partition, 15)
    equal(next_values(2), [b'15', b'16'])
    equal(reader.position(partition), 17)
    reader.seek_to_beginning(partition)
    equal(next_values(1), [b'0'])
    reader.pause(partition)
    equal(reader.poll(timeout_ms=400), {})
    reader.resume(partition)
    equal(next_values(1), [b'1'])
    reader.seek_to_end(partition)
    equal(reader.poll(timeout_ms=300), {})
    sender.send(topic, b'new').get(timeout=10)
    equal(next_values(1), [b'new'])
    # Out of range falls back to auto_offset_reset.
    reader.seek(partition, 1000)
    equal(next_values(1), [b'0'])
    reader.close()


@scenario
def partitions_by_key_and_by_hand():
    topic = unique('partitions')
    admin = KafkaAdminClient(bootstrap_servers=KAFKA)
    admin.create_topics({topic: {'num_partitions': 6, 'replication_factor': 1}})
    sender = producer()
    equal(sender.partitions_for(topic), set(range(6)))
    for n in range(300):
        sender.send(topic, b'%d' % n, key=b'key%d' % (n % 30))
    for n in range(6):
        sender.send(topic, b'by hand', partition=n)
    sender.flush()
    records = read(topic, 306)
    homes = {}
    for record in records:
        if record.key is not None:
            equal(homes.setdefault(record.key, record.partition), record.partition)
    equal(len(set(homes.values())) > 1, True)
    equal(sorted(r.partition for r in records if r.key is None), list(range(6)))
    for partition in range(6):
        offsets = [r.offset for r in records if r.partition == partition]
        equal(offsets, list(range(len(offsets))))
    admin.close()


@scenario
def large_messages_and_too_large_ones():
    topic = unique('large')
    sender = producer(max_request_size=20_000_000)
    body = bytes(range(256)) * 3900
    sender.send(topic, body).get(timeout=10)
    try:
        sender.send(topic, b'x' * 1_100_000).get(timeout=10)
        raise AssertionError('1.1 MB went through the default max.message.bytes')
    except MessageSizeTooLargeError:
        pass
    [record] = read(topic, 1)
    assert record.value == body
    admin = KafkaAdminClient(bootstrap_servers=KAFKA)
    admin.create_topics({topic + '-wide': {'num_partitions': 1, 'configs': {'max.message.bytes': '10000000'}}})
    # An idempotent producer of kafka-python is of no more use after a refusal.
    sender = producer(max_request_size=20_000_000)
    sender.send(topic + '-wide', b'y' * 8_000_000).get(timeout=20)
    # One batch larger than the fetch limits still arrives: a reader must not get stuck on it.
    [record] = read(topic + '-wide', 1, max_partition_fetch_bytes=4096, fetch_max_bytes=4096)
    equal(len(record.value), 8_000_000)
    admin.close()


@scenario
def unknown_topic_is_refused_to_the_admin_and_created_by_a_producer():
    topic = unique('unknown')
    admin = KafkaAdminClient(bootstrap_servers=KAFKA)
    try:
        admin.delete_topics([topic])
        raise AssertionError('deleted what does not exist')
    except UnknownTopicOrPartitionError:
        pass
    equal(topic in admin.list_topics(), False)
    producer().send(topic, b'x').get(timeout=10)
    equal(topic in admin.list_topics(), True)
    admin.close()


@scenario
def long_poll_returns_when_something_comes():
    topic = unique('poll')
    sender = producer()
    sender.send(topic, b'first').get(timeout=10)
    reader = consumer(fetch_max_wait_ms=5000)
    partition = TopicPartition(topic, 0)
    reader.assign([partition])
    reader.seek_to_end(partition)
    equal(reader.position(partition), 1)
    reader.poll(timeout_ms=200)
    sender.send(topic, b'second').get(timeout=10)
    started = time.monotonic()
    batch = reader.poll(timeout_ms=5000)
    took = time.monotonic() - started
    equal([r.value for r in batch[partition]], [b'second'])
    assert took < 2, 'a waiting fetch was answered after %.1f s' % took
    reader.close()


@scenario
def idempotent_producer_keeps_order():
    topic = unique('idempotent')
    sender = producer(enable_idempotence=True, acks='all', max_in_flight_requests_per_connection=5, batch_size=512)
    for n in range(3000):
        sender.send(topic, b'%d' % n)
    sender.flush()
    sender.close()
    equal([int(r.value) for r in read(topic, 3000)], list(range(3000)))


main()
