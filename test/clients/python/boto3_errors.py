"""boto3: an error of every kind, with Amazon's codes; and signatures, which ElasticMQ never looks at."""

import json
import os
import re
import socket
import urllib.error
import urllib.parse
import urllib.request

import botocore.exceptions

from scenario import TARGET, equal, expected, main, scenario, unique
from sqs_session import ENDPOINT, arn, aws_alone, client, delete, queue, receive, redrive, refused, send, sqs, take

MISSING = ENDPOINT + '/000000000000/no-such-queue'
NON_EXISTENT = (expected('sqs_missing_queue'), 400)


def code_of(call, *arguments, **options):
    return refused(call, *arguments, **options)[:2]


def text_of(call, *arguments, **options):
    return refused(call, *arguments, **options)[2]


@scenario
def queues_that_do_not_exist():
    equal(code_of(sqs.get_queue_url, QueueName=unique('missing')), NON_EXISTENT)
    equal(code_of(sqs.send_message, QueueUrl=MISSING, MessageBody='x'), NON_EXISTENT)
    equal(code_of(sqs.receive_message, QueueUrl=MISSING), NON_EXISTENT)
    equal(code_of(sqs.get_queue_attributes, QueueUrl=MISSING, AttributeNames=['All']), NON_EXISTENT)
    equal(code_of(sqs.purge_queue, QueueUrl=MISSING), NON_EXISTENT)
    try:
        sqs.get_queue_url(QueueName='missing')
    except sqs.exceptions.QueueDoesNotExist as error:
        assert 'queue does not exist' in str(error), error


@aws_alone('ElasticMQ says so of some calls only')
def queues_that_do_not_exist_for_the_other_calls():
    one = [{'Id': '1', 'ReceiptHandle': 'x'}]
    for call, options in (
        (sqs.delete_queue, {}),
        (sqs.set_queue_attributes, {'Attributes': {'DelaySeconds': '1'}}),
        (sqs.delete_message, {'ReceiptHandle': 'x'}),
        (sqs.delete_message_batch, {'Entries': one}),
        (sqs.change_message_visibility, {'ReceiptHandle': 'x', 'VisibilityTimeout': 1}),
        (sqs.send_message_batch, {'Entries': [{'Id': '1', 'MessageBody': 'x'}]}),
        (sqs.list_queue_tags, {}),
        (sqs.tag_queue, {'Tags': {'a': 'b'}}),
        (sqs.untag_queue, {'TagKeys': ['a']}),
        (sqs.list_dead_letter_source_queues, {}),
        (sqs.add_permission, {'Label': 'l', 'AWSAccountIds': ['111111111111'], 'Actions': ['*']}),
        (sqs.remove_permission, {'Label': 'l'}),
    ):
        equal((call.__name__, code_of(call, QueueUrl=MISSING, **options)), (call.__name__, NON_EXISTENT))


@aws_alone('ElasticMQ takes other names, and its own error codes')
def names():
    for name in ('with space', 'x' * 81, 'dots.are.not', 'ümlaut', 'slash/es'):
        equal((name, code_of(sqs.create_queue, QueueName=name)), (name, ('InvalidParameterValue', 400)))
    assert 'alphanumeric' in text_of(sqs.create_queue, QueueName='with space')


@aws_alone('ElasticMQ has another code for it')
def the_same_name_with_other_attributes():
    with queue(VisibilityTimeout=10) as url:
        name = url.rsplit('/', 1)[1]
        code, status, text = refused(sqs.create_queue, QueueName=name, Attributes={'VisibilityTimeout': '11'})
        equal((code, status), ('QueueAlreadyExists', 400))
        equal(text, 'A queue already exists with the same name and a different value for attribute VisibilityTimeout')
        equal(sqs.create_queue(QueueName=name, Attributes={'VisibilityTimeout': '10'})['QueueUrl'], url)


@aws_alone('ElasticMQ ignores attributes that it does not know')
def attributes_that_are_none():
    equal(code_of(sqs.create_queue, QueueName=unique('x'), Attributes={'Nonsense': '1'}), ('InvalidAttributeName', 400))
    with queue() as url:
        equal(code_of(sqs.set_queue_attributes, QueueUrl=url, Attributes={'Nonsense': '1'}), ('InvalidAttributeName', 400))
        equal(code_of(sqs.get_queue_attributes, QueueUrl=url, AttributeNames=['Nonsense']), ('InvalidAttributeName', 400))
        for name, value in (
            ('VisibilityTimeout', '43201'),
            ('VisibilityTimeout', '-1'),
            ('VisibilityTimeout', 'x'),
            ('DelaySeconds', '901'),
            ('MaximumMessageSize', '1023'),
            ('MaximumMessageSize', '1048577'),
            ('MessageRetentionPeriod', '59'),
            ('MessageRetentionPeriod', '1209601'),
            ('ReceiveMessageWaitTimeSeconds', '21'),
        ):
            got = code_of(sqs.set_queue_attributes, QueueUrl=url, Attributes={name: value})
            equal((name, value, got), (name, value, ('InvalidAttributeValue', 400)))
        # Not FIFO, so nothing of FIFO.
        code = code_of(sqs.set_queue_attributes, QueueUrl=url, Attributes={'ContentBasedDeduplication': 'true'})
        equal(code, ('InvalidAttributeName', 400))


@aws_alone('ElasticMQ has other codes for it')
def redrive_policies():
    with queue() as url, queue('dead.fifo') as fifo:
        def policy(value):
            return code_of(sqs.set_queue_attributes, QueueUrl=url, Attributes={'RedrivePolicy': value})

        nowhere = arn(url) + '-missing'
        for value in (
            'no json',
            '{}',
            json.dumps({'deadLetterTargetArn': arn(url)}),
            json.dumps({'maxReceiveCount': 3}),
            json.dumps({'deadLetterTargetArn': arn(url), 'maxReceiveCount': 0}),
            json.dumps({'deadLetterTargetArn': arn(url), 'maxReceiveCount': 1001}),
            json.dumps({'deadLetterTargetArn': 'no-arn', 'maxReceiveCount': 1}),
        ):
            code, status = policy(value)
            assert (code, status) in (('InvalidParameterValue', 400), ('InvalidAttributeValue', 400)), (value, code)
        code, status = policy(json.dumps({'deadLetterTargetArn': nowhere, 'maxReceiveCount': 1}))
        equal((code, status), ('InvalidParameterValue', 400))
        # A standard queue has no FIFO queue for its dead letters.
        code, status = policy(redrive(fifo, 1))
        equal((code, status), ('InvalidParameterValue', 400))


@scenario
def numbers_out_of_range():
    with queue() as url:
        for count in (0, 11):
            equal(code_of(sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=count)[1], 400)
        equal(code_of(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=21), (expected('sqs_out_of_range'), 400))
        equal(code_of(sqs.send_message, QueueUrl=url, MessageBody='x', DelaySeconds=901)[1], 400)
        if TARGET == 'posthorn':  # ElasticMQ hides messages for as long as asked
            send(url, 'x')
            [message] = take(url, 1)
            code = code_of(
                sqs.change_message_visibility,
                QueueUrl=url,
                ReceiptHandle=message['ReceiptHandle'],
                VisibilityTimeout=43201,
            )
            equal(code, ('InvalidParameterValue', 400))


@aws_alone('ElasticMQ has texts of its own')
def texts():
    with queue() as url:
        for wanted, call, options in (
            (
                'Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.',
                sqs.receive_message,
                {'MaxNumberOfMessages': 11},
            ),
            (
                'Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.',
                sqs.receive_message,
                {'WaitTimeSeconds': 21},
            ),
            (
                'Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.',
                sqs.send_message,
                {'MessageBody': 'x', 'DelaySeconds': 901},
            ),
            ('The specified queue does not exist.', sqs.get_queue_url, None),
            (
                'The input receipt handle "nonsense" is not a valid receipt handle.',
                sqs.delete_message,
                {'ReceiptHandle': 'nonsense'},
            ),
        ):
            options = {'QueueName': 'missing'} if options is None else {'QueueUrl': url, **options}
            equal(text_of(call, **options), wanted)


@scenario
def receipt_handles():
    with queue() as url:
        code, status = code_of(sqs.delete_message, QueueUrl=url, ReceiptHandle='nonsense')
        equal(code, 'ReceiptHandleIsInvalid')
        assert status in (400, 404), status


@aws_alone('ElasticMQ forgets who received what')
def receipt_handles_of_what_is_not_out():
    with queue() as url:
        send(url, 'x')
        [message] = take(url, 1)
        handle = message['ReceiptHandle']
        delete(url, [message])
        code = code_of(sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=5)
        assert code[0] in ('InvalidParameterValue', 'AWS.SimpleQueueService.MessageNotInflight'), code
        equal(code[1], 400)


@scenario
def batches_as_a_whole():
    with queue() as url:
        def batch(entries):
            return code_of(sqs.send_message_batch, QueueUrl=url, Entries=entries)

        def entry(identity, body='x'):
            return {'Id': identity, 'MessageBody': body}

        prefix = expected('sqs_batch_prefix')
        equal(batch([entry(str(n)) for n in range(11)]), (prefix + 'TooManyEntriesInBatchRequest', 400))
        equal(batch([entry('a'), entry('a')]), (prefix + 'BatchEntryIdsNotDistinct', 400))
        if TARGET == 'posthorn':  # ElasticMQ takes it for one message that is too long
            code = batch([entry(str(n), 'x' * 200_000) for n in range(6)])
            equal(code, (prefix + 'BatchRequestTooLong', 400))
        equal(receive(url), [])


@aws_alone('ElasticMQ has no code for an empty batch and for odd ids')
def batches_that_are_empty_or_oddly_named():
    with queue() as url:
        equal(code_of(sqs.send_message_batch, QueueUrl=url, Entries=[]), ('AWS.SimpleQueueService.EmptyBatchRequest', 400))
        for identity in ('a b', 'x' * 81, 'a.b'):
            entries = [{'Id': identity, 'MessageBody': 'x'}]
            code = code_of(sqs.send_message_batch, QueueUrl=url, Entries=entries)
            equal((identity, code), (identity, ('AWS.SimpleQueueService.InvalidBatchEntryId', 400)))


@scenario
def too_large():
    with queue() as url:
        sqs.send_message(QueueUrl=url, MessageBody='x' * 200_000)
        code = code_of(sqs.send_message, QueueUrl=url, MessageBody='x' * 1_048_577)
        equal(code, (expected('sqs_out_of_range'), 400))


@aws_alone('ElasticMQ counts characters, and has the old limit')
def too_large_by_bytes_and_attributes():
    with queue() as url:
        sqs.send_message(QueueUrl=url, MessageBody='x' * 1_048_576)
        equal(code_of(sqs.send_message, QueueUrl=url, MessageBody='ä' * 524_289), ('InvalidParameterValue', 400))
        attribute = {'name': {'DataType': 'String', 'StringValue': 'x'}}
        code = code_of(sqs.send_message, QueueUrl=url, MessageBody='x' * 1_048_570, MessageAttributes=attribute)
        equal(code, ('InvalidParameterValue', 400))
    with queue(MaximumMessageSize=1024) as url:
        sqs.send_message(QueueUrl=url, MessageBody='x' * 1024)
        equal(code_of(sqs.send_message, QueueUrl=url, MessageBody='x' * 1025), ('InvalidParameterValue', 400))


@scenario
def contents_that_are_no_text():
    with queue() as url:
        equal(code_of(sqs.send_message, QueueUrl=url, MessageBody='\x01'), (expected('sqs_contents'), 400))


@aws_alone('ElasticMQ has texts of its own')
def message_attributes_that_are_wrong():
    with queue() as url:
        for attribute in (
            {'a': {'DataType': 'Strange', 'StringValue': 'x'}},
            {'a': {'DataType': 'Number', 'StringValue': 'x'}},
            {'a': {'DataType': 'String', 'StringValue': ''}},
            {'a': {'DataType': 'String', 'BinaryValue': b'x'}},
            {'AWS.reserved': {'DataType': 'String', 'StringValue': 'x'}},
            {'.dot': {'DataType': 'String', 'StringValue': 'x'}},
            {'two..dots': {'DataType': 'String', 'StringValue': 'x'}},
            {'sp ace': {'DataType': 'String', 'StringValue': 'x'}},
            {'n%d' % n: {'DataType': 'String', 'StringValue': 'x'} for n in range(11)},
        ):
            code = code_of(sqs.send_message, QueueUrl=url, MessageBody='x', MessageAttributes=attribute)
            assert code in (('InvalidParameterValue', 400), ('InvalidAttributeValue', 400)), (attribute, code)


@scenario
def fifo_queues_ask_for_a_group():
    with queue('strict.fifo') as url:
        code = code_of(sqs.send_message, QueueUrl=url, MessageBody='x', MessageDeduplicationId='d')
        assert code in (('MissingParameter', 400), ('InvalidParameterValue', 400)), code
        code = code_of(sqs.send_message, QueueUrl=url, MessageBody='x', MessageGroupId='g')
        equal(code, ('InvalidParameterValue', 400))


@aws_alone('ElasticMQ purges as often as asked')
def purging_twice():
    with queue() as url:
        sqs.purge_queue(QueueUrl=url)
        equal(code_of(sqs.purge_queue, QueueUrl=url), ('AWS.SimpleQueueService.PurgeQueueInProgress', 403))


@aws_alone('ElasticMQ has other codes for it')
def move_tasks_that_cannot_be():
    with queue() as url:
        equal(code_of(sqs.start_message_move_task, SourceArn=arn(url)), ('InvalidParameterValue', 400))
        code = code_of(sqs.start_message_move_task, SourceArn=arn(url) + '-missing')
        assert code[0] in ('ResourceNotFoundException', 'AWS.SimpleQueueService.NonExistentQueue'), code
        code = code_of(sqs.cancel_message_move_task, TaskHandle='nonsense')
        equal(code, ('InvalidParameterValue', 400))


def form(parameters, path='/'):
    data = urllib.parse.urlencode(parameters).encode()
    try:
        with urllib.request.urlopen(ENDPOINT + path, data, timeout=10) as response:
            return response.status, response.headers.get_content_type(), response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get_content_type(), error.read().decode()


@scenario
def the_query_protocol():
    name = unique('query')
    status, kind, text = form({'Action': 'CreateQueue', 'QueueName': name, 'Version': '2012-11-05'})
    equal((status, kind), (200, 'text/xml'))
    url = re.search('<QueueUrl>(.*)</QueueUrl>', text).group(1)
    path = urllib.parse.urlparse(url).path
    status, _, text = form({'Action': 'SendMessage', 'MessageBody': '<ä & b>', 'Version': '2012-11-05'}, path)
    equal(status, 200)
    assert '<MD5OfMessageBody>' in text and '<MessageId>' in text, text
    status, _, text = form({'Action': 'ReceiveMessage', 'AttributeName.1': 'All', 'Version': '2012-11-05'}, path)
    assert '&lt;ä &amp; b' in text, text
    assert 'xmlns="http://queue.amazonaws.com/doc/2012-11-05/"' in text, text
    handle = re.search('<ReceiptHandle>(.*)</ReceiptHandle>', text).group(1)
    equal(form({'Action': 'DeleteMessage', 'ReceiptHandle': handle}, path)[0], 200)
    status, _, text = form({'Action': 'GetQueueUrl', 'QueueName': 'missing'})
    equal(status, 400)
    assert '<Code>AWS.SimpleQueueService.NonExistentQueue</Code>' in text, text
    if TARGET == 'posthorn':  # ElasticMQ has the type of the other protocol there
        assert '<Type>Sender</Type>' in text, text
    sqs.delete_queue(QueueUrl=url)


@aws_alone('ElasticMQ answers 404 without a body to what it does not know')
def actions_that_are_none():
    status, _, text = form({'Action': 'Nonsense', 'Version': '2012-11-05'})
    equal(status, 400)
    assert '<Code>InvalidAction</Code>' in text, text
    request = urllib.request.Request(
        ENDPOINT + '/',
        b'{}',
        {'Content-Type': 'application/x-amz-json-1.0', 'X-Amz-Target': 'AmazonSQS.Nonsense'},
    )
    try:
        urllib.request.urlopen(request, timeout=10)
        raise AssertionError('accepted')
    except urllib.error.HTTPError as error:
        equal(error.code, 400)
        kind = json.loads(error.read())['__type']
        assert 'InvalidAction' in kind or 'UnknownOperation' in kind, kind


@aws_alone('a proxy in front of it would be fooled by both alike')
def requests_that_two_could_read_differently():
    port = int(ENDPOINT.rsplit(':', 1)[1])
    for head in (
        'Content-Length: 2\r\nTransfer-Encoding: chunked\r\n',
        'Content-Length: 2\r\nContent-Length: 3\r\n',
        'Content-Length: +2\r\n',
        'Transfer-Encoding: chunked, identity\r\n',
        ' Content-Length: 2\r\n',
        'Content-Length : 2\r\n',
    ):
        with socket.create_connection(('localhost', port), timeout=10) as connection:
            connection.sendall(b'POST / HTTP/1.1\r\nHost: localhost\r\n' + head.encode() + b'\r\n{}')
            data = b''
            while chunk := connection.recv(65536):
                data += chunk
            assert re.match(rb'HTTP/1.1 (400|501) ', data), (head, data[:80])


if TARGET == 'posthorn':
    SIGNED = 'http://localhost:' + os.environ['SQS_SIGNED_PORT']

    @scenario
    def signatures():
        good = client(SIGNED, 'app', 'secret')
        url = good.create_queue(QueueName=unique('signed'))['QueueUrl']
        good.send_message(QueueUrl=url, MessageBody='signed', MessageAttributes={
            'ä'.encode().hex(): {'DataType': 'String', 'StringValue': 'ü'}})
        equal(good.receive_message(QueueUrl=url)['Messages'][0]['Body'], 'signed')
        for key, secret, token, wanted in (
            ('app', 'wrong', None, 'SignatureDoesNotMatch'),
            ('nobody', 'secret', None, 'InvalidClientTokenId'),
        ):
            code, status, _ = refused(client(SIGNED, key, secret, token).list_queues)
            equal((code, status), (wanted, 403))
        # Temporary credentials go with a session token.
        equal(client(SIGNED, 'visitor', 'secret', 'session-token').list_queues()['ResponseMetadata']['HTTPStatusCode'], 200)
        equal(refused(client(SIGNED, 'visitor', 'secret', 'another').list_queues)[1], 403)
        good.delete_queue(QueueUrl=url)

    @scenario
    def without_a_signature():
        unsigned = client(SIGNED, 'app', 'secret')
        unsigned.meta.events.register('choose-signer.sqs.*', lambda **_: __import__('botocore').UNSIGNED)
        code, status, _ = refused(unsigned.list_queues)
        assert status in (400, 403), (code, status)
        assert code in ('MissingAuthenticationToken', 'MissingAuthenticationTokenException', 'AccessDenied'), code


@scenario
def unreachable():
    try:
        client('http://localhost:1').list_queues()
        raise AssertionError('connected')
    except botocore.exceptions.EndpointConnectionError:
        pass


main()
