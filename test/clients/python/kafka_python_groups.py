"""kafka-python: consumer groups: committing, resuming, rebalancing in every style, and their administration."""

import subprocess
import sys
import threading
import time

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import NonEmptyGroupError

from scenario import KAFKA, equal, eventually, main, scenario, unique


def admin():
    return KafkaAdminClient(bootstrap_servers=KAFKA)


def filled_topic(partitions, each):
    topic = unique('grouped')
    client = admin()
    client.create_topics({topic: {'num_partitions': partitions, 'replication_factor': 1}})
    client.close()
    sender = KafkaProducer(bootstrap_servers=KAFKA)
    for n in range(each):
        for partition in range(partitions):
            sender.send(topic, b'%d-%d' % (partition, n), partition=partition)
    sender.flush()
    sender.close()
    return topic


class Member(threading.Thread):
    """One group member that polls in its own thread and remembers what it got and was assigned."""

    def __init__(self, topic, group, **options):
        super().__init__(daemon=True)
        self.values, self.running, self.error = [], True, None
        self.consumer = KafkaConsumer(
            topic,
            bootstrap_servers=KAFKA,
            group_id=group,
            auto_offset_reset='earliest',
            heartbeat_interval_ms=300,
            session_timeout_ms=8000,
            **options,
        )
        # A leader of kafka-python assigns nothing, for minutes, when it joins before it knows the topic.
        eventually(lambda: self.consumer.partitions_for_topic(topic))
        self.assigned = set()
        self.start()

    def run(self):
        try:
            while self.running:
                for batch in self.consumer.poll(timeout_ms=100).values():
                    self.values += [record.value for record in batch]
                self.assigned = {p.partition for p in self.consumer.assignment()}
        except Exception as error:
            self.error = error
        finally:
            self.consumer.close()

    def leave(self):
        self.running = False
        self.join(20)
        assert not self.is_alive(), 'the member does not end'
        if self.error is not None:
            raise self.error


def shared(*members, of):
    """The members own all partitions, none twice, none idle."""
    assignments = [m.assigned for m in members]
    whole = set().union(*assignments)
    return whole == set(range(of)) and sum(map(len, assignments)) == of and all(assignments)


def join_and_leave(*assignors, **options):
    topic, group = filled_topic(4, 10), unique('group')
    strategy = {'partition_assignment_strategy': list(assignors)}
    first = Member(topic, group, **strategy, **options)
    eventually(lambda: first.assigned == {0, 1, 2, 3}, 20)
    eventually(lambda: len(first.values) == 40)
    second = Member(topic, group, **strategy, **options)
    eventually(lambda: shared(first, second, of=4), 30)
    sender = KafkaProducer(bootstrap_servers=KAFKA)
    for partition in range(4):
        sender.send(topic, b'shared-%d' % partition, partition=partition)
    sender.flush()

    def fresh():
        return sorted({v for v in first.values + second.values if v.startswith(b'shared')})

    eventually(lambda: fresh() == [b'shared-%d' % n for n in range(4)])
    first.leave()
    eventually(lambda: second.assigned == {0, 1, 2, 3}, 20)
    for partition in range(4):
        sender.send(topic, b'alone-%d' % partition, partition=partition)
    sender.flush()
    sender.close()
    eventually(lambda: {b'alone-%d' % n for n in range(4)} <= set(second.values))
    second.leave()
    client = admin()
    equal(client.describe_groups([group])[group]['group_state'].lower(), 'empty')
    client.close()


@scenario
def two_members_join_and_one_leaves_range():
    join_and_leave(RangePartitionAssignor)


@scenario
def two_members_join_and_one_leaves_roundrobin():
    join_and_leave(RoundRobinPartitionAssignor)


@scenario
def two_members_join_and_one_leaves_cooperative():
    join_and_leave(CooperativeStickyAssignor)


@scenario
def static_member_returns_without_a_rebalance():
    topic, group = filled_topic(4, 1), unique('static')
    first = Member(topic, group, group_instance_id='one')
    second = Member(topic, group, group_instance_id='two')
    eventually(lambda: shared(first, second, of=4), 30)
    client = admin()
    before = client.describe_groups([group])[group]
    instances = {m['group_instance_id']: m['member_id'] for m in before['members']}
    equal(set(instances), {'one', 'two'})
    kept = set(second.assigned)
    mine = set(first.assigned)
    first.leave()  # a static member does not leave its group by closing
    again = Member(topic, group, group_instance_id='one')
    eventually(lambda: again.assigned == mine, 20)
    equal(second.assigned, kept, 'the other member kept its partitions')
    after = client.describe_groups([group])[group]
    ids = {m['group_instance_id']: m['member_id'] for m in after['members']}
    assert ids['one'] != instances['one'] and ids['two'] == instances['two'], (instances, ids)
    again.leave()
    second.leave()
    client.close()


@scenario
def commit_and_resume():
    topic, group = filled_topic(2, 10), unique('resume')

    def reader():
        return KafkaConsumer(
            topic,
            bootstrap_servers=KAFKA,
            group_id=group,
            auto_offset_reset='earliest',
            enable_auto_commit=False,
            consumer_timeout_ms=8000,
        )

    first = reader()
    seen = []
    for record in first:
        seen.append((record.partition, record.offset))
        if len(seen) == 9:
            break
    positions = {}
    for partition, offset in seen:
        positions[TopicPartition(topic, partition)] = offset + 1
    first.commit({p: OffsetAndMetadata(offset, 'note %d' % p.partition, -1) for p, offset in positions.items()})
    equal({p: first.committed(p) for p in positions}, positions)
    first.close()
    second = reader()
    rest = []
    for record in second:
        rest.append((record.partition, record.offset))
        if len(rest) == 11:
            break
    equal(sorted(seen + rest), sorted((p, n) for p in range(2) for n in range(10)), 'nothing twice, nothing lost')
    second.close()
    client = admin()
    offsets = client.list_group_offsets({group: None})[group]
    equal({p: (o.offset, o.metadata) for p, o in offsets.items()}, {p: (o, 'note %d' % p.partition) for p, o in positions.items()})
    client.close()


@scenario
def auto_commit_on_close():
    topic, group = filled_topic(1, 5), unique('auto')
    options = {
        'bootstrap_servers': KAFKA,
        'group_id': group,
        'auto_offset_reset': 'earliest',
        'consumer_timeout_ms': 1500,
    }
    first = KafkaConsumer(topic, **options)
    values = [record.value for record in first]
    first.close()
    equal(len(values), 5)
    second = KafkaConsumer(topic, **options)
    equal([record.value for record in second], [])
    second.close()


@scenario
def list_describe_and_delete_groups():
    topic, group = filled_topic(2, 1), unique('admin')
    member = Member(topic, group, client_id='me')
    eventually(lambda: member.assigned == {0, 1}, 20)
    client = admin()
    listed = {g['group_id']: g for g in client.list_groups()}
    assert group in listed, sorted(listed)
    equal(listed[group]['protocol_type'], 'consumer')
    described = client.describe_groups([group])[group]
    equal((described['group_state'], described['protocol_type'], described['protocol_data']), ('Stable', 'consumer', 'range'))
    [who] = described['members']
    assert who['client_id'] == 'me' and who['client_host'], who
    equal(next(iter(client.describe_groups([unique('nobody')]).values()))['group_state'], 'Dead')
    refused = client.delete_groups([group])
    assert NonEmptyGroupError.__name__ in repr(refused) or 'NonEmpty' in repr(refused), refused
    member.leave()
    offsets = client.list_group_offsets({group: None})[group]
    equal({p.partition: o.offset for p, o in offsets.items()}, {0: 1, 1: 1})
    client.alter_group_offsets(group, {TopicPartition(topic, 0): OffsetAndMetadata(0, 'back', -1)})
    equal(client.list_group_offsets({group: None})[group][TopicPartition(topic, 0)].offset, 0)
    client.delete_group_offsets(group, [TopicPartition(topic, 1)])
    left = {p.partition for p, o in client.list_group_offsets({group: None})[group].items() if o.offset >= 0}
    equal(left, {0})
    client.delete_groups([group])
    assert group not in {g['group_id'] for g in client.list_groups()}
    client.close()


@scenario
def a_killed_member_is_expelled_after_its_session():
    topic, group = filled_topic(2, 1), unique('killed')
    program = """
import sys
from kafka import KafkaConsumer
consumer = KafkaConsumer(sys.argv[2], bootstrap_servers=sys.argv[1], group_id=sys.argv[3], session_timeout_ms=6000)
while True:
    consumer.poll(timeout_ms=100)
    if len(consumer.assignment()) == 2:
        print('assigned', flush=True)
"""
    victim = subprocess.Popen([sys.executable, '-c', program, KAFKA, topic, group], stdout=subprocess.PIPE)
    equal(victim.stdout.readline(), b'assigned\n')
    victim.kill()
    victim.wait()
    killed = time.monotonic()
    second = Member(topic, group)
    eventually(lambda: second.assigned == {0, 1}, 30)
    took = time.monotonic() - killed
    assert took > 3, 'expelled after only %.1f s of its 6 s session' % took
    second.leave()


main(150)
