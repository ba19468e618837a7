"""boto3: FIFO queues: groups, deduplication, order over failures, redrive."""

import time

from scenario import equal, main, scenario
from sqs_session import (
    attributes,
    aws_alone,
    bodies,
    delete,
    queue,
    receive,
    redrive,
    refused,
    sqs,
    take,
)


def put(url, group, *texts, **options):
    return [
        sqs.send_message(
            QueueUrl=url, MessageBody=text, MessageGroupId=group, **{'MessageDeduplicationId': group + text, **options}
        )
        for text in texts
    ]


@scenario
def order_and_sequence_numbers():
    with queue('a.fifo') as url:
        sent = put(url, 'g', *(str(n) for n in range(20)))
        numbers = [int(each['SequenceNumber']) for each in sent]
        equal(numbers, sorted(set(numbers)))
        got = []
        while len(got) < 20:
            some = receive(url, 7)
            got += some
            delete(url, some)
        equal(bodies(got), [str(n) for n in range(20)])
        system = got[0]['Attributes']
        equal((system['MessageGroupId'], system['MessageDeduplicationId']), ('g', 'g0'))
        equal(int(system['SequenceNumber']), numbers[0])


@scenario
def a_group_waits_for_its_first_and_holds_up_no_other():
    with queue('groups.fifo') as url:
        put(url, 'a', '1', '2', '3')
        put(url, 'b', '1')
        [first] = receive(url, 1)
        equal(first['Attributes']['MessageGroupId'] + first['Body'], 'a1')
        others = receive(url, 10)
        equal([m['Attributes']['MessageGroupId'] + m['Body'] for m in others], ['b1'])
        delete(url, [first])
        equal([m['Attributes']['MessageGroupId'] + m['Body'] for m in receive(url, 10)], ['a2', 'a3'])


@scenario
def what_is_put_back_comes_first():
    with queue('back.fifo') as url:
        put(url, 'g', '1', '2')
        [first] = receive(url, 1)
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first['ReceiptHandle'], VisibilityTimeout=0)
        again = receive(url, 10)
        equal(bodies(again), ['1', '2'])
        equal(again[0]['Attributes']['ApproximateReceiveCount'], '2')


@scenario
def duplicates_by_id():
    with queue('dedup.fifo') as url:
        [first] = put(url, 'g', 'one', MessageDeduplicationId='same')
        [second] = put(url, 'other-group', 'two', MessageDeduplicationId='same')
        equal(second['MessageId'], first['MessageId'])
        equal(bodies(take(url, 1)), ['one'])
        equal(receive(url), [])


@scenario
def duplicates_by_content():
    with queue('content.fifo', ContentBasedDeduplication='true') as url:
        for text in ('a', 'a', 'b'):
            sqs.send_message(QueueUrl=url, MessageBody=text, MessageGroupId='g')
        # An id of one's own wins over the content.
        put(url, 'g', 'a', MessageDeduplicationId='mine')
        equal(bodies(receive(url, 10)), ['a', 'b', 'a'])


@scenario
def a_duplicate_of_a_deleted_message_is_one_still():
    with queue('deleted.fifo') as url:
        put(url, 'g', 'x')
        delete(url, receive(url))
        put(url, 'g', 'x')
        time.sleep(0.3)
        equal(receive(url), [])


@aws_alone('ElasticMQ does not know the scope of deduplication')
def duplicates_by_group():
    options = {'DeduplicationScope': 'messageGroup', 'FifoThroughputLimit': 'perMessageGroupId'}
    with queue('scope.fifo', **options) as url:
        put(url, 'a', '1', MessageDeduplicationId='same')
        put(url, 'a', '2', MessageDeduplicationId='same')
        put(url, 'b', '3', MessageDeduplicationId='same')
        equal(sorted(bodies(take(url, 2))), ['1', '3'])
        equal(receive(url), [])
        got = attributes(url, *options)
        equal(got, options)


@scenario
def batches():
    with queue('batch.fifo') as url:
        entries = [
            {'Id': str(n), 'MessageBody': str(n), 'MessageGroupId': 'g', 'MessageDeduplicationId': 'd%d' % n}
            for n in range(10)
        ]
        answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        equal(sorted(int(entry['Id']) for entry in answer['Successful']), list(range(10)))
        equal(bodies(receive(url, 10)), [str(n) for n in range(10)])


@aws_alone('ElasticMQ answers no sequence numbers to a batch')
def sequence_numbers_of_a_batch():
    with queue('numbers.fifo') as url:
        entries = [
            {'Id': str(n), 'MessageBody': str(n), 'MessageGroupId': 'g', 'MessageDeduplicationId': 'd%d' % n}
            for n in range(10)
        ]
        successful = sqs.send_message_batch(QueueUrl=url, Entries=entries)['Successful']
        numbers = [int(entry['SequenceNumber']) for entry in sorted(successful, key=lambda e: int(e['Id']))]
        equal(numbers, sorted(set(numbers)))


@scenario
def dead_letters_keep_group_and_order():
    with queue('dead.fifo') as dead, queue('source.fifo', VisibilityTimeout=0, RedrivePolicy=redrive(dead, 1)) as url:
        put(url, 'g', '1', '2', '3')
        for _ in range(10):
            receive(url, 10)
            if attributes(dead)['ApproximateNumberOfMessages'] == '3':
                break
            time.sleep(0.1)
        got = receive(dead, 10)
        equal([(m['Body'], m['Attributes']['MessageGroupId']) for m in got], [('1', 'g'), ('2', 'g'), ('3', 'g')])


@aws_alone('ElasticMQ does not remember attempts')
def one_receive_tried_twice():
    with queue('attempt.fifo') as url:
        put(url, 'g', '1', '2')
        first = receive(url, 10, ReceiveRequestAttemptId='attempt')
        again = receive(url, 10, ReceiveRequestAttemptId='attempt')
        equal(bodies(again), bodies(first))
        equal(receive(url, 10, ReceiveRequestAttemptId='another'), [])


@aws_alone('ElasticMQ deletes by expired handles')
def deleting_by_an_expired_handle_is_an_error():
    with queue('expired.fifo') as url:
        put(url, 'g', '1')
        [message] = receive(url, 1, VisibilityTimeout=1)
        time.sleep(1.3)
        code, status, text = refused(sqs.delete_message, QueueUrl=url, ReceiptHandle=message['ReceiptHandle'])
        equal((code, status), ('InvalidParameterValue', 400))
        assert 'expired' in text, text


@aws_alone('ElasticMQ takes a delay of one message')
def delays_are_the_queues_alone():
    with queue('delay.fifo', DelaySeconds=1) as url:
        put(url, 'g', '1')
        equal(receive(url), [])
        equal(bodies(take(url, 1)), ['1'])
        code, status, _ = refused(put, url, 'g', '2', DelaySeconds=5)
        equal((code, status), ('InvalidParameterValue', 400))


@scenario
def many_groups_in_parallel():
    with queue('parallel.fifo') as url:
        for first in range(0, 200, 10):
            entries = [
                {'Id': str(n), 'MessageBody': str(n), 'MessageGroupId': 'g%d' % (n % 8), 'MessageDeduplicationId': 'd%d' % n}
                for n in range(first, first + 10)
            ]
            sqs.send_message_batch(QueueUrl=url, Entries=entries)
        seen = {}
        count = 0
        while count < 200:
            some = receive(url, 10, wait=2)
            assert some, count
            for message in some:
                seen.setdefault(message['Attributes']['MessageGroupId'], []).append(int(message['Body']))
            delete(url, some)
            count += len(some)
        for group, numbers in seen.items():
            equal(numbers, sorted(numbers), group)
        equal(len(seen), 8)


@aws_alone('ElasticMQ has another code for it')
def names_and_kinds_belong_together():
    code, status, _ = refused(sqs.create_queue, QueueName='not-fifo', Attributes={'FifoQueue': 'true'})
    equal((code, status), ('InvalidParameterValue', 400))


main()
