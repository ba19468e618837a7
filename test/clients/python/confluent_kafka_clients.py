"""confluent-kafka (librdkafka): producing, consuming, groups, and the whole admin client."""

import functools
import time

from confluent_kafka import Consumer, ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaError, KafkaException, OFFSET_BEGINNING, Producer
from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions
from confluent_kafka.admin import NewTopic, OffsetSpec, ResourceType

from scenario import KAFKA, equal, eventually, expected, main, scenario, unique


@functools.cache
def admin():
    # One for all: its futures die with it.
    return AdminClient({'bootstrap.servers': KAFKA})


def producer(**options):
    return Producer({'bootstrap.servers': KAFKA, **{k.replace('_', '.'): v for k, v in options.items()}})


def consumer(group=None, **options):
    settings = {
        'bootstrap.servers': KAFKA,
        'group.id': group or unique('alone'),
        'auto.offset.reset': 'earliest',
        'enable.auto.commit': False,
        'session.timeout.ms': 8000,
        'heartbeat.interval.ms': 300,
    }
    return Consumer({**settings, **{k.replace('_', '.'): v for k, v in options.items()}})


def create(*topics, partitions=1, **config):
    futures = admin().create_topics([NewTopic(t, partitions, 1, config=config) for t in topics])
    for topic, future in futures.items():
        future.result(15)
        # Kafka tells a new topic's creation before all of its parts know of it.
        eventually(lambda: admin().list_topics(topic, timeout=10).topics[topic].error is None)


def send(client, topic, *values, **options):
    """Produces and waits; returns the delivered messages, raises the first error."""
    delivered = []
    for value in values:
        client.produce(topic, value, on_delivery=lambda e, m: delivered.append((e, m)), **options)
        client.poll(0)
    equal(client.flush(20), 0, 'undelivered')
    for error, _ in delivered:
        if error is not None:
            raise KafkaException(error)
    return [message for _, message in delivered]


def take(reader, count, seconds=20):
    messages = []
    deadline = time.monotonic() + seconds
    while len(messages) < count:
        assert time.monotonic() < deadline, '%d of %d messages' % (len(messages), count)
        for message in reader.consume(min(500, count - len(messages)), timeout=0.2):
            if message.error() is not None:
                raise KafkaException(message.error())
            messages.append(message)
    return messages


def read(topic, count, partitions=1, **options):
    reader = consumer(**options)
    reader.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
    messages = take(reader, count)
    extra = reader.consume(1, timeout=0.3)
    equal([m.value() for m in extra], [], 'more than sent')
    reader.close()
    return messages


def refused(code, future):
    try:
        future.result(15)
    except KafkaException as error:
        equal(error.args[0].name(), code)
        return error.args[0].str()
    raise AssertionError('not refused: ' + code)


@scenario
def every_codec():
    for codec in ('none', 'gzip', 'snappy', 'lz4', 'zstd'):
        topic = unique('codec-' + codec)
        values = [b'%d ' % n * (1 + n % 70) for n in range(2000)]
        sender = producer(compression_codec=codec, linger_ms=20)
        sent = send(sender, topic, *values)
        equal(sorted(m.offset() for m in sent), list(range(2000)), codec)
        messages = read(topic, 2000, check_crcs=True)
        equal([m.value() for m in messages], values, codec)


@scenario
def topic_codec_recompresses():
    for codec in ('gzip', 'snappy', 'lz4', 'zstd', 'uncompressed', 'producer'):
        topic = unique('recompressed-' + codec)
        create(topic, **{'compression.type': codec})
        values = [b'%d ' % n * 30 for n in range(300)]
        for own in ('none', 'zstd'):
            send(producer(compression_codec=own, linger_ms=20), topic, *values)
        messages = read(topic, 600, check_crcs=True)
        equal([m.value() for m in messages], values + values, codec)
        equal([m.offset() for m in messages], list(range(600)), codec)


@scenario
def keys_headers_and_tombstones():
    topic = unique('shapes')
    cases = [
        (b'k', b'v', [('h', b'1'), ('h', b'2'), ('null', None), ('empty', b''), ('', b'x')]),
        (None, b'no key', None),
        (b'tombstone', None, None),
        (b'', b'', None),
        (None, None, [('only', b'\x00')]),
    ]
    sender = producer()
    for key, value, headers in cases:
        sender.produce(topic, value, key, headers=headers or [])
        sender.flush(10)
    got = [(m.key(), m.value(), m.headers()) for m in read(topic, len(cases))]
    equal(got, [(k, v, h or None) for k, v, h in cases])


@scenario
def message_too_large():
    topic = unique('small')
    create(topic, **{'max.message.bytes': '2000'})
    sender = producer(message_max_bytes=5_000_000, compression_codec='none')
    send(sender, topic, b'x' * 1500)
    try:
        send(sender, topic, b'x' * 3000)
        raise AssertionError('3000 bytes went through a limit of 2000')
    except KafkaException as error:
        equal(error.args[0].code(), KafkaError.MSG_SIZE_TOO_LARGE)
    equal(len(read(topic, 1)), 1)


@scenario
def idempotent_producer():
    topic = unique('idempotent')
    create(topic, partitions=3)
    sender = producer(enable_idempotence=True, linger_ms=1, batch_num_messages=50)
    for n in range(3000):
        sender.produce(topic, b'%d' % n, key=b'%d' % (n % 3))
        sender.poll(0)
    equal(sender.flush(20), 0)
    messages = read(topic, 3000, partitions=3)
    for key in (b'0', b'1', b'2'):
        values = [int(m.value()) for m in messages if m.key() == key]
        equal(values, sorted(values))
    equal(sorted(int(m.value()) for m in messages), list(range(3000)))


@scenario
def log_append_time():
    topic = unique('append-time')
    create(topic, **{'message.timestamp.type': 'LogAppendTime'})
    before = int(time.time() * 1000)
    send(producer(), topic, b'x', timestamp=1_000_000_000_000)
    [message] = read(topic, 1)
    kind, timestamp = message.timestamp()
    equal(kind, 2)
    assert before - 1000 <= timestamp <= time.time() * 1000 + 1000, timestamp


@scenario
def watermarks_and_offsets_for_times():
    topic = unique('times')
    sender = producer()
    for n in range(10):
        send(sender, topic, b'%d' % n, timestamp=1_700_000_000_000 + n * 1000)
    reader = consumer()
    partition = TopicPartition(topic, 0)
    equal(reader.get_watermark_offsets(partition, timeout=10), (0, 10))
    for at, offset in ((0, 0), (1_700_000_003_500, 4), (1_700_000_009_000, 9), (1_700_000_009_001, -1)):
        [found] = reader.offsets_for_times([TopicPartition(topic, 0, at)], timeout=10)
        equal(found.offset, offset, at)
    reader.close()
    specs = {'earliest': OffsetSpec.earliest(), 'latest': OffsetSpec.latest(), 'max': OffsetSpec.max_timestamp()}
    got = {}
    for name, spec in specs.items():
        result = admin().list_offsets({partition: spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED)
        got[name] = result[partition].result(10)
    equal({n: r.offset for n, r in got.items()}, {'earliest': 0, 'latest': 10, 'max': 9})
    equal(got['max'].timestamp, 1_700_000_009_000)


@scenario
def end_of_partition_and_seek():
    topic = unique('eof')
    send(producer(), topic, *[b'%d' % n for n in range(5)])
    reader = consumer(enable_partition_eof=True)
    reader.assign([TopicPartition(topic, 0, 3)])
    seen = []
    deadline = time.monotonic() + 15
    while not seen or seen[-1] != 'eof':
        assert time.monotonic() < deadline, seen
        message = reader.poll(0.5)
        if message is not None:
            at_end = message.error() is not None and message.error().code() == KafkaError._PARTITION_EOF
            seen.append('eof' if at_end else message.value())
    equal(seen, [b'3', b'4', 'eof'])
    reader.seek(TopicPartition(topic, 0, 1))
    equal(take_values(reader, 2), [b'1', b'2'])
    reader.close()


def take_values(reader, count):
    values = []
    deadline = time.monotonic() + 15
    while len(values) < count:
        assert time.monotonic() < deadline, values
        message = reader.poll(0.2)
        if message is not None and message.error() is None:
            values.append(message.value())
    return values


@scenario
def commit_and_resume_with_metadata():
    topic, group = unique('resume'), unique('group')
    create(topic, partitions=2)
    for partition in range(2):
        send(producer(), topic, *[b'%d' % n for n in range(10)], partition=partition)
    first = consumer(group)
    first.subscribe([topic])
    take(first, 20)
    first.commit(offsets=[TopicPartition(topic, 0, 4, 'a note'), TopicPartition(topic, 1, 10)], asynchronous=False)
    committed = first.committed([TopicPartition(topic, 0), TopicPartition(topic, 1)], timeout=10)
    equal([(p.offset, p.metadata) for p in committed], [(4, 'a note'), (10, None)])
    first.close()
    second = consumer(group)
    second.subscribe([topic])
    equal([(m.partition(), m.offset()) for m in take(second, 6)], [(0, n) for n in range(4, 10)])
    second.close()


def rebalances(strategy):
    topic, group = unique('shared'), unique('group')
    create(topic, partitions=4)
    members = []

    def assigned():
        for member in members:
            member.poll(0.05)
        return [{p.partition for p in m.assignment()} for m in members]

    def spread(count):
        def check():
            owned = assigned()
            return len(owned) == count and sum(map(len, owned)) == 4 and set().union(*owned) == {0, 1, 2, 3} and all(owned)

        return check

    for count in (1, 2, 3):
        member = consumer(group, partition_assignment_strategy=strategy)
        member.subscribe([topic])
        members.append(member)
        eventually(spread(count), 30, 0)
    members.pop(0).close()
    eventually(spread(2), 30, 0)
    described = admin().describe_consumer_groups([group])[group].result(10)
    equal((described.state, described.partition_assignor), (ConsumerGroupState.STABLE, strategy.split(',')[0]))
    equal(len(described.members), 2)
    parts = sorted(p.partition for m in described.members for p in m.assignment.topic_partitions)
    equal(parts, [0, 1, 2, 3])
    # One after the other: librdkafka may wait for ever when it is closed in the middle of a rebalance.
    members.pop(0).close()
    eventually(spread(1), 30, 0)
    members.pop(0).close()
    eventually(lambda: admin().describe_consumer_groups([group])[group].result(10).state == ConsumerGroupState.EMPTY)


@scenario
def rebalancing_range():
    rebalances('range')


@scenario
def rebalancing_cooperative():
    rebalances('cooperative-sticky')


@scenario
def admin_topics():
    client = admin()
    topic = unique('admin')
    create(topic, partitions=3, **{'retention.ms': '12345'})
    details = client.list_topics(topic, timeout=10).topics[topic]
    equal(sorted(details.partitions), [0, 1, 2])
    for partition in details.partitions.values():
        equal((partition.leader in partition.replicas, partition.isrs), (True, partition.replicas))
    [error] = [refused('TOPIC_ALREADY_EXISTS', f) for f in client.create_topics([NewTopic(topic, 1, 1)]).values()]
    assert topic in error and 'already exists' in error, error
    for bad in ('bad name', 'x' * 250, '..'):
        [future] = client.create_topics([NewTopic(bad, 1, 1)]).values()
        refused('TOPIC_EXCEPTION', future)
    [future] = client.create_topics([NewTopic(unique('t'), 0, 1)]).values()
    refused('INVALID_PARTITIONS', future)
    [future] = client.create_topics([NewTopic(unique('t'), 1, 1, config={'no.such.config': '1'})]).values()
    refused('INVALID_CONFIG', future)
    [future] = client.create_topics([NewTopic(unique('t'), 1, 1, config={'retention.ms': 'long'})]).values()
    refused('INVALID_CONFIG', future)
    only_checked = unique('t')
    [future] = client.create_topics([NewTopic(only_checked, 1, 1)], validate_only=True).values()
    future.result(10)
    equal(only_checked in client.list_topics(timeout=10).topics, False)
    client.create_partitions([NewPartitions(topic, 5)])[topic].result(10)
    eventually(lambda: len(client.list_topics(topic, timeout=10).topics[topic].partitions) == 5)
    refused('INVALID_PARTITIONS', client.create_partitions([NewPartitions(topic, 4)])[topic])
    send(producer(), topic, b'x', partition=4)
    client.delete_topics([topic])[topic].result(10)
    eventually(lambda: topic not in client.list_topics(timeout=10).topics)
    refused('UNKNOWN_TOPIC_OR_PART', client.delete_topics([topic])[topic])
    # A topic of the same name is a new topic.
    create(topic)
    equal([m.offset() for m in send(producer(), topic, b'fresh')], [0])


@scenario
def admin_configs():
    client = admin()
    topic = unique('configured')
    create(topic, **{'retention.ms': '100000'})
    resource = ConfigResource(ResourceType.TOPIC, topic)

    def described():
        return client.describe_configs([resource])[resource].result(10)

    configs = described()
    for name, value in {
        'retention.ms': '100000',
        'cleanup.policy': 'delete',
        'compression.type': 'producer',
        'max.message.bytes': '1048588',
        'segment.bytes': '1073741824',
        'retention.bytes': '-1',
        'message.timestamp.type': 'CreateTime',
        'min.insync.replicas': '1',
        'index.interval.bytes': '4096',
        'segment.ms': '604800000',
        'delete.retention.ms': '86400000',
        'unclean.leader.election.enable': 'false',
        'flush.messages': '9223372036854775807',
    }.items():
        equal(configs[name].value, value, name)
    equal((configs['retention.ms'].source, configs['cleanup.policy'].source), (1, 5), 'topic, default')
    equal(configs['cleanup.policy'].is_default, True)
    operations = [
        ConfigEntry('retention.ms', None, incremental_operation=AlterConfigOpType.DELETE),
        ConfigEntry('max.message.bytes', '5000', incremental_operation=AlterConfigOpType.SET),
    ]
    change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=operations)
    client.incremental_alter_configs([change])[change].result(10)
    eventually(lambda: described()['max.message.bytes'].value == '5000')
    configs = described()
    equal(configs['retention.ms'].value, '604800000')
    bad = ConfigResource(
        ResourceType.TOPIC,
        topic,
        incremental_configs=[ConfigEntry('cleanup.policy', 'nothing', incremental_operation=AlterConfigOpType.SET)],
    )
    refused('INVALID_CONFIG', client.incremental_alter_configs([bad])[bad])
    missing = ConfigResource(ResourceType.TOPIC, unique('missing'))
    refused('UNKNOWN_TOPIC_OR_PART', client.describe_configs([missing])[missing])


@scenario
def compaction():
    topic = unique('compacted')
    try:
        create(topic, **{'cleanup.policy': 'compact'})
    except KafkaException as error:
        equal(error.args[0].name(), 'INVALID_CONFIG')
        assert 'compact' in error.args[0].str(), error
        equal('refused', expected('compaction'))
        return
    equal('works', expected('compaction'))
    resource = ConfigResource(ResourceType.TOPIC, topic)
    equal(admin().describe_configs([resource])[resource].result(10)['cleanup.policy'].value, 'compact')
    try:
        send(producer(), topic, b'without a key')
        raise AssertionError('a compacted topic took a record without a key')
    except KafkaException as error:
        equal(error.args[0].code(), KafkaError.INVALID_RECORD)


@scenario
def admin_delete_records():
    topic = unique('trimmed')
    send(producer(), topic, *[b'%d' % n for n in range(20)])
    partition = TopicPartition(topic, 0, 12)
    [future] = admin().delete_records([partition]).values()
    equal(future.result(10).low_watermark, 12)
    reader = consumer()
    equal(reader.get_watermark_offsets(partition, timeout=10), (12, 20))
    reader.close()
    equal([m.value() for m in read(topic, 8)], [b'%d' % n for n in range(12, 20)])
    [future] = admin().delete_records([TopicPartition(topic, 0, 50)]).values()
    refused('OFFSET_OUT_OF_RANGE', future)


@scenario
def admin_groups():
    client = admin()
    topic, group = unique('listed'), unique('listed-group')
    send(producer(), topic, *[b'%d' % n for n in range(3)])
    reader = consumer(group, client_id='someone')
    reader.subscribe([topic])
    take(reader, 3)
    reader.commit(asynchronous=False)
    listed = {g.group_id: g for g in client.list_consumer_groups().result(10).valid}
    equal((listed[group].state, listed[group].is_simple_consumer_group), (ConsumerGroupState.STABLE, False))
    stable = client.list_consumer_groups(states={ConsumerGroupState.EMPTY}).result(10).valid
    assert group not in {g.group_id for g in stable}
    described = client.describe_consumer_groups([group])[group].result(10)
    equal([m.client_id for m in described.members], ['someone'])
    refused('NON_EMPTY_GROUP', client.delete_consumer_groups([group])[group])
    reader.close()
    [future] = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
    equal([(p.topic, p.partition, p.offset) for p in future.result(10).topic_partitions], [(topic, 0, 3)])
    change = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 1)])
    client.alter_consumer_group_offsets([change])[group].result(10)
    again = consumer(group)
    again.subscribe([topic])
    equal([m.value() for m in take(again, 2)], [b'1', b'2'])
    again.close()
    client.delete_consumer_groups([group])[group].result(10)
    refused('GROUP_ID_NOT_FOUND', client.delete_consumer_groups([group])[group])


@scenario
def admin_cluster():
    cluster = admin().describe_cluster().result(10)
    assert cluster.cluster_id, cluster
    equal([(n.host in ('localhost', '127.0.0.1', '::1'), str(n.port)) for n in cluster.nodes], [(True, KAFKA.split(':')[1])])
    equal(cluster.controller.id, cluster.nodes[0].id)


@scenario
def unknown_topics():
    missing = unique('missing')
    reader = consumer(allow_auto_create_topics=False)
    reader.subscribe([missing])
    deadline = time.monotonic() + 10
    while True:
        assert time.monotonic() < deadline, 'no error for an unknown topic'
        message = reader.poll(0.2)
        if message is not None:
            equal(message.error().code(), KafkaError.UNKNOWN_TOPIC_OR_PART)
            break
    reader.close()
    equal(missing in admin().list_topics(timeout=10).topics, False)
    topic = unique('one')
    create(topic)
    try:
        send(producer(message_timeout_ms=3000), topic, b'x', partition=7)
        raise AssertionError('sent to partition 7 of 1')
    except KafkaException as error:
        assert error.args[0].code() in (KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART), error


main()
