"""boto3: standard queues: all that a program does with them."""

import base64
import hashlib
import json
import threading
import time

from scenario import equal, eventually, main, scenario, unique
from sqs_session import (
    ACCOUNT,
    ENDPOINT,
    arn,
    attributes,
    aws_alone,
    bodies,
    client,
    delete,
    queue,
    receive,
    redrive,
    refused,
    send,
    sqs,
    take,
)


@scenario
def create_find_list_delete():
    name = unique('listed')
    url = sqs.create_queue(QueueName=name)['QueueUrl']
    equal(url, '%s/%s/%s' % (ENDPOINT, ACCOUNT, name))
    equal(sqs.get_queue_url(QueueName=name)['QueueUrl'], url)
    # The same once more is the same queue.
    equal(sqs.create_queue(QueueName=name)['QueueUrl'], url)
    second = sqs.create_queue(QueueName=name + '-2')['QueueUrl']
    equal(sorted(sqs.list_queues(QueueNamePrefix=name)['QueueUrls']), sorted([url, second]))
    equal(arn(url), 'arn:aws:sqs:us-east-1:%s:%s' % (ACCOUNT, name))
    sqs.delete_queue(QueueUrl=url)
    sqs.delete_queue(QueueUrl=second)
    eventually(lambda: not sqs.list_queues(QueueNamePrefix=name).get('QueueUrls'))


@aws_alone('ElasticMQ does not list in pages')
def list_in_pages():
    name = unique('paged')
    urls = sorted(sqs.create_queue(QueueName='%s-%d' % (name, n))['QueueUrl'] for n in range(7))
    pages = list(
        sqs.get_paginator('list_queues').paginate(QueueNamePrefix=name, PaginationConfig={'PageSize': 3})
    )
    equal([len(page['QueueUrls']) for page in pages], [3, 3, 1])
    equal(sorted(url for page in pages for url in page['QueueUrls']), urls)
    for url in urls:
        sqs.delete_queue(QueueUrl=url)


@scenario
def send_receive_delete():
    with queue() as url:
        sent = sqs.send_message(QueueUrl=url, MessageBody='hello')
        equal(sent['MD5OfMessageBody'], hashlib.md5(b'hello').hexdigest())
        [message] = take(url, 1)
        equal((message['Body'], message['MessageId']), ('hello', sent['MessageId']))
        equal(message['MD5OfBody'], sent['MD5OfMessageBody'])
        system = message['Attributes']
        equal(system['ApproximateReceiveCount'], '1')
        assert abs(int(system['SentTimestamp']) - time.time() * 1000) < 60_000, system
        assert int(system['ApproximateFirstReceiveTimestamp']) >= int(system['SentTimestamp']), system
        assert system['SenderId'], system
        equal(receive(url), [])
        delete(url, [message])
        equal(attributes(url)['ApproximateNumberOfMessagesNotVisible'], '0')


@aws_alone('ElasticMQ refuses the second deletion')
def deleting_twice_is_no_mistake():
    with queue() as url:
        send(url, 'x')
        [message] = take(url, 1)
        delete(url, [message, message])


@scenario
def bodies_of_all_kinds():
    with queue() as url:
        texts = ['x', 'ä€😀', ' leading and trailing ', 'a\nb\tc\rd', '<&>"\'\\', '{"json": [1]}', '\ud7ff\ue000�', 'x' * 200_000]
        for text in texts:
            sent = sqs.send_message(QueueUrl=url, MessageBody=text)
            equal(sent['MD5OfMessageBody'], hashlib.md5(text.encode()).hexdigest())
        equal(sorted(bodies(take(url, len(texts)))), sorted(texts))


@scenario
def message_attributes():
    given = {
        'text': {'DataType': 'String', 'StringValue': 'ä b'},
        'number': {'DataType': 'Number', 'StringValue': '-12.5'},
        'bytes': {'DataType': 'Binary', 'BinaryValue': bytes(range(256))},
        'labelled.one': {'DataType': 'String.custom', 'StringValue': 'x'},
        'labelled.two': {'DataType': 'Number.float', 'StringValue': '1e3'},
    }
    with queue() as url:
        sent = sqs.send_message(QueueUrl=url, MessageBody='x', MessageAttributes=given)
        equal(sent['MD5OfMessageAttributes'], md5_of(given))
        [message] = take(url, 1, VisibilityTimeout=0)
        equal(message['MessageAttributes'], given)
        equal(message['MD5OfMessageAttributes'], md5_of(given))
        # Only those asked for, and their own digest.
        [message] = take(url, 1, VisibilityTimeout=0, MessageAttributeNames=['number', 'text'])
        some = {name: given[name] for name in ('number', 'text')}
        equal((message['MessageAttributes'], message['MD5OfMessageAttributes']), (some, md5_of(some)))
        [message] = take(url, 1, VisibilityTimeout=0, MessageAttributeNames=[], MessageSystemAttributeNames=[])
        assert 'MessageAttributes' not in message and 'Attributes' not in message, message


@aws_alone('ElasticMQ does not know prefixes of names')
def message_attributes_by_prefix():
    given = {name: {'DataType': 'String', 'StringValue': 'x'} for name in ('a.one', 'a.two', 'b')}
    with queue(VisibilityTimeout=0) as url:
        send(url, 'x', MessageAttributes=given)
        for asked, names in ((['a.*'], ['a.one', 'a.two']), (['.*'], ['a.one', 'a.two', 'b']), (['b', 'c'], ['b'])):
            [message] = take(url, 1, MessageAttributeNames=asked)
            equal(sorted(message['MessageAttributes']), names, asked)


def md5_of(given):
    digest = hashlib.md5()

    def add(data):
        digest.update(len(data).to_bytes(4, 'big') + data)

    for name in sorted(given):
        add(name.encode())
        add(given[name]['DataType'].encode())
        if 'BinaryValue' in given[name]:
            digest.update(b'\2')
            add(given[name]['BinaryValue'])
        else:
            digest.update(b'\1')
            add(given[name]['StringValue'].encode())
    return digest.hexdigest()


@aws_alone('ElasticMQ answers no digest of system attributes')
def trace_header():
    trace = {'AWSTraceHeader': {'DataType': 'String', 'StringValue': 'Root=1-5759e988-bd862e3fe1be46a994272793'}}
    with queue() as url:
        sent = sqs.send_message(QueueUrl=url, MessageBody='x', MessageSystemAttributes=trace)
        equal(sent['MD5OfMessageSystemAttributes'], md5_of(trace))
        [message] = take(url, 1)
        equal(message['Attributes']['AWSTraceHeader'], trace['AWSTraceHeader']['StringValue'])


@scenario
def batches():
    with queue() as url:
        entries = [{'Id': 'e-%d' % n, 'MessageBody': 'body %d' % n} for n in range(10)]
        answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        equal(sorted(entry['Id'] for entry in answer['Successful']), sorted(entry['Id'] for entry in entries))
        assert not answer.get('Failed'), answer
        digests = {entry['Id']: entry['MD5OfMessageBody'] for entry in answer['Successful']}
        equal(digests['e-3'], hashlib.md5(b'body 3').hexdigest())
        messages = take(url, 10)
        equal(sorted(bodies(messages)), ['body %d' % n for n in range(10)])
        handles = [{'Id': str(n), 'ReceiptHandle': m['ReceiptHandle']} for n, m in enumerate(messages)]
        visible = [{**entry, 'VisibilityTimeout': 0} for entry in handles[:5]]
        equal(len(sqs.change_message_visibility_batch(QueueUrl=url, Entries=visible)['Successful']), 5)
        equal(len(take(url, 5)), 5)
        equal(len(sqs.delete_message_batch(QueueUrl=url, Entries=handles[5:])['Successful']), 5)
        counts = attributes(url, 'ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible')
        equal(counts, {'ApproximateNumberOfMessages': '0', 'ApproximateNumberOfMessagesNotVisible': '5'})


@scenario
def a_batch_in_which_some_fail():
    with queue() as url:
        entries = [
            {'Id': 'good', 'MessageBody': 'x'},
            {'Id': 'bad', 'MessageBody': 'x', 'DelaySeconds': 901},
        ]
        answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        equal([entry['Id'] for entry in answer.get('Successful', [])], ['good'])
        [failed] = answer['Failed']
        equal((failed['Id'], failed['SenderFault']), ('bad', True))
        equal(failed['Code'], 'InvalidParameterValue')
        [message] = take(url, 1)
        answer = sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[
                {'Id': 'a', 'ReceiptHandle': message['ReceiptHandle']},
                {'Id': 'b', 'ReceiptHandle': 'nonsense'},
            ],
        )
        equal([entry['Id'] for entry in answer['Successful']], ['a'])
        equal([entry['Id'] for entry in answer['Failed']], ['b'])


@scenario
def long_polls():
    with queue() as url:
        started = time.monotonic()
        equal(receive(url, wait=1), [])
        took = time.monotonic() - started
        assert 0.9 < took < 3, took
        threading.Timer(0.7, lambda: client().send_message(QueueUrl=url, MessageBody='late')).start()
        started = time.monotonic()
        equal(bodies(receive(url, wait=10)), ['late'])
        took = time.monotonic() - started
        assert 0.5 < took < 3, took
        # The queue's own wait, when the request names none.
        sqs.set_queue_attributes(QueueUrl=url, Attributes={'ReceiveMessageWaitTimeSeconds': '1'})
        started = time.monotonic()
        assert not sqs.receive_message(QueueUrl=url).get('Messages')
        assert time.monotonic() - started > 0.9


@scenario
def many_waiters_get_one_each():
    with queue() as url:
        got = []

        def wait_for_one():
            got.append(bodies(client().receive_message(QueueUrl=url, WaitTimeSeconds=15).get('Messages', [])))

        threads = [threading.Thread(target=wait_for_one) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        for n in range(8):
            send(url, str(n))
        for thread in threads:
            thread.join(20)
        equal(sorted(got), [[str(n)] for n in range(8)])


@scenario
def a_waiter_hears_of_a_delay_and_of_an_expiry():
    with queue() as url:
        send(url, 'delayed', DelaySeconds=1)
        equal(receive(url), [])
        started = time.monotonic()
        equal(bodies(receive(url, wait=10, VisibilityTimeout=1)), ['delayed'])
        assert 0.5 < time.monotonic() - started < 2.5
        started = time.monotonic()
        [again] = receive(url, wait=10)
        assert 0.5 < time.monotonic() - started < 2.5
        equal(again['Attributes']['ApproximateReceiveCount'], '2')


@scenario
def visibility():
    with queue(VisibilityTimeout=1) as url:
        send(url, 'x')
        [first] = take(url, 1)
        equal(receive(url), [])
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first['ReceiptHandle'], VisibilityTimeout=30)
        time.sleep(1.2)
        equal(receive(url), [])
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first['ReceiptHandle'], VisibilityTimeout=0)
        [second] = take(url, 1, VisibilityTimeout=30)
        equal(second['MessageId'], first['MessageId'])
        equal(second['Attributes']['ApproximateReceiveCount'], '2')
        delete(url, [second])
        time.sleep(0.1)
        equal(attributes(url)['ApproximateNumberOfMessages'], '0')


@scenario
def delays():
    with queue(DelaySeconds=1) as url:
        send(url, 'by the queue')
        send(url, 'at once', DelaySeconds=0)
        equal(bodies(receive(url)), ['at once'])
        equal(attributes(url, 'ApproximateNumberOfMessagesDelayed'), {'ApproximateNumberOfMessagesDelayed': '1'})
        equal(bodies(take(url, 1)), ['by the queue'])


@scenario
def queue_attributes():
    wanted = {'DelaySeconds': '3', 'ReceiveMessageWaitTimeSeconds': '2', 'VisibilityTimeout': '45'}
    with queue(**wanted) as url:
        got = attributes(url)
        equal({name: got.get(name) for name in wanted}, wanted)
        sqs.set_queue_attributes(QueueUrl=url, Attributes={'VisibilityTimeout': '7', 'DelaySeconds': '0'})
        equal(attributes(url, 'VisibilityTimeout', 'DelaySeconds'), {'VisibilityTimeout': '7', 'DelaySeconds': '0'})
        for name in ('CreatedTimestamp', 'LastModifiedTimestamp'):
            assert abs(int(got[name]) - time.time()) < 60, got
        for name in ('', 'Delayed', 'NotVisible'):
            equal(got['ApproximateNumberOfMessages' + name], '0')




@aws_alone('ElasticMQ keeps neither a maximum nor a retention period')
def defaults():
    chosen = {'MaximumMessageSize': '2048', 'MessageRetentionPeriod': '86400'}
    with queue(**chosen) as url:
        got = attributes(url)
        equal({name: got.get(name) for name in chosen}, chosen)
    with queue() as url:
        got = attributes(url)
        wanted = {
            'DelaySeconds': '0',
            'MaximumMessageSize': '1048576',
            'MessageRetentionPeriod': '345600',
            'ReceiveMessageWaitTimeSeconds': '0',
            'VisibilityTimeout': '30',
        }
        equal({name: got.get(name) for name in wanted}, wanted)


@scenario
def dead_letters():
    with queue('dead') as dead, queue(VisibilityTimeout=0) as url:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={'RedrivePolicy': redrive(dead, 2)})
        equal(json.loads(attributes(url)['RedrivePolicy'])['deadLetterTargetArn'], arn(dead))
        attribute = {'kept': {'DataType': 'String', 'StringValue': 'yes'}}
        sent = sqs.send_message(QueueUrl=url, MessageBody='poison', MessageAttributes=attribute)
        for count in ('1', '2'):
            [message] = take(url, 1)
            equal(message['Attributes']['ApproximateReceiveCount'], count)
        equal(receive(url), [])
        [message] = take(dead, 1)
        equal((message['Body'], message['MessageId']), ('poison', sent['MessageId']))
        equal(message['MessageAttributes'], attribute)


@aws_alone('ElasticMQ names neither the sources of a queue of dead letters nor that of a letter')
def where_a_dead_letter_comes_from():
    with queue('dead') as dead, queue(VisibilityTimeout=0, RedrivePolicy=redrive(dead, 1)) as url:
        equal(sqs.list_dead_letter_source_queues(QueueUrl=dead)['queueUrls'], [url])
        send(url, 'x')
        take(url, 1)
        equal(receive(url), [])
        [message] = take(dead, 1)
        equal(message['Attributes']['DeadLetterQueueSourceArn'], arn(url))


@scenario
def moving_dead_letters_back():
    with queue('dead') as dead, queue(VisibilityTimeout=0, RedrivePolicy=redrive(dead, 1)) as url:
        send(url, *(str(n) for n in range(20)))
        take(url, 20)
        eventually(lambda: receive(url) == [] and attributes(dead)['ApproximateNumberOfMessages'] == '20')
        handle = sqs.start_message_move_task(SourceArn=arn(dead))['TaskHandle']
        assert handle
        sqs.set_queue_attributes(QueueUrl=url, Attributes={'VisibilityTimeout': '30'})
        equal(sorted(bodies(take(url, 20)), key=int), [str(n) for n in range(20)])

        def task():
            return sqs.list_message_move_tasks(SourceArn=arn(dead))['Results'][0]

        eventually(lambda: task()['Status'] == 'COMPLETED')
        equal(task()['ApproximateNumberOfMessagesMoved'], 20)


@aws_alone('ElasticMQ moves all at once, whatever the pace')
def moving_slowly_and_cancelling():
    with queue('dead') as dead, queue('other') as other, queue(RedrivePolicy=redrive(dead, 1)):
        send(dead, *(str(n) for n in range(50)))
        handle = sqs.start_message_move_task(
            SourceArn=arn(dead), DestinationArn=arn(other), MaxNumberOfMessagesPerSecond=5
        )['TaskHandle']
        code, status, _ = refused(sqs.start_message_move_task, SourceArn=arn(dead))
        equal((code, status), ('InvalidParameterValue', 400))
        time.sleep(1.5)
        moved = sqs.cancel_message_move_task(TaskHandle=handle)['ApproximateNumberOfMessagesMoved']
        assert 1 <= moved <= 25, moved
        eventually(lambda: sqs.list_message_move_tasks(SourceArn=arn(dead))['Results'][0]['Status'] == 'CANCELLED')
        left = int(attributes(dead)['ApproximateNumberOfMessages'])
        there = int(attributes(other)['ApproximateNumberOfMessages'])
        equal(left + there, 50)


@scenario
def purging():
    with queue() as url:
        send(url, 'a', 'b', 'c')
        [message] = receive(url, 1)
        sqs.purge_queue(QueueUrl=url)
        eventually(lambda: attributes(url)['ApproximateNumberOfMessages'] == '0')
        equal(receive(url), [])
        send(url, 'after')
        equal(bodies(take(url, 1)), ['after'])


@scenario
def tags():
    name = unique('tagged')
    url = sqs.create_queue(QueueName=name, tags={'team': 'ä', 'empty': ''})['QueueUrl']
    equal(sqs.list_queue_tags(QueueUrl=url)['Tags'], {'team': 'ä', 'empty': ''})
    sqs.tag_queue(QueueUrl=url, Tags={'team': 'b', 'more': '1'})
    sqs.untag_queue(QueueUrl=url, TagKeys=['empty', 'unknown'])
    equal(sqs.list_queue_tags(QueueUrl=url)['Tags'], {'team': 'b', 'more': '1'})
    sqs.delete_queue(QueueUrl=url)


@aws_alone('ElasticMQ accepts permissions and forgets them')
def permissions_become_a_policy():
    with queue() as url:
        sqs.add_permission(QueueUrl=url, Label='one', AWSAccountIds=['111111111111'], Actions=['SendMessage'])
        policy = json.loads(attributes(url, 'Policy')['Policy'])
        [statement] = policy['Statement']
        equal((statement['Sid'], statement['Effect'], statement['Resource']), ('one', 'Allow', arn(url)))
        equal(statement['Action'], 'SQS:SendMessage')
        sqs.remove_permission(QueueUrl=url, Label='one')
        assert 'Policy' not in attributes(url, 'Policy'), attributes(url)


@aws_alone('ElasticMQ keeps messages for ever')
def retention():
    with queue(MessageRetentionPeriod=60) as url:
        send(url, 'x')
        equal(attributes(url)['MessageRetentionPeriod'], '60')
        equal(len(take(url, 1)), 1)


@scenario
def order_and_number_of_many():
    with queue() as url:
        for first in range(0, 500, 10):
            entries = [{'Id': str(n), 'MessageBody': str(n)} for n in range(first, first + 10)]
            equal(len(sqs.send_message_batch(QueueUrl=url, Entries=entries)['Successful']), 10)
        equal(attributes(url)['ApproximateNumberOfMessages'], '500')
        got = take(url, 500)
        equal(sorted(int(body) for body in bodies(got)), list(range(500)))


@scenario
def queues_by_other_addresses():
    with queue() as url:
        send(url, 'x')
        # The path alone tells the queue; an SDK that was given another host still finds it.
        moved = url.replace('localhost', '127.0.0.1')
        equal(bodies(take(moved, 1)), ['x'])


@aws_alone('ElasticMQ knows nothing of fair queues')
def message_groups_of_a_standard_queue():
    with queue() as url:
        send(url, 'x', MessageGroupId='tenant-1')
        [message] = take(url, 1)
        equal(message['Attributes']['MessageGroupId'], 'tenant-1')


@aws_alone('neither has other protocols')
def binary_bodies_from_elsewhere_come_as_base64():
    with queue() as url:
        attribute = {'content-transfer-encoding': {'DataType': 'String', 'StringValue': 'base64'}}
        body = base64.b64encode(bytes(range(256))).decode()
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attribute)
        [message] = take(url, 1)
        equal((message['Body'], message['MessageAttributes']), (body, attribute))


main()
