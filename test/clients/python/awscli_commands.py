"""awscli: what people type, with its own ways of writing attributes, pages and errors.

The program is loaded and warmed up once and forked for each command: the same code, without a second's
start each time.
"""

import contextlib
import json
import os
import re
import sys
import tempfile

import awscli.clidriver

from scenario import TARGET, equal, eventually, expected, main, scenario, unique

ENDPOINT = 'http://localhost:%s' % os.environ['SQS_PORT']
os.environ.update({
    'AWS_ACCESS_KEY_ID': 'test',
    'AWS_SECRET_ACCESS_KEY': 'test',
    'AWS_DEFAULT_REGION': 'us-east-1',
    'AWS_EC2_METADATA_DISABLED': 'true',
    'AWS_MAX_ATTEMPTS': '1',
    'AWS_CONFIG_FILE': os.devnull,
})


DRIVER = awscli.clidriver.create_clidriver()
with open(os.devnull, 'w') as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
    DRIVER.main(['--endpoint-url', 'http://localhost:1', 'sqs', 'list-queues'])


def aws(*arguments, fails=False, endpoint=ENDPOINT, key='test', secret='test'):
    with tempfile.TemporaryFile('w+') as out, tempfile.TemporaryFile('w+') as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            code = 255
            try:
                DRIVER.session.set_credentials(key, secret)
                code = DRIVER.main(['--endpoint-url', endpoint, '--output', 'json', 'sqs', *arguments])
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        printed, said = out.read(), err.read().strip()
    if fails:
        assert status != 0, printed
        return said
    assert status == 0, said
    return json.loads(printed) if printed.strip() else None


def code_of(*arguments, **options):
    said = aws(*arguments, fails=True, **options)
    found = re.search(r'An error occurred \((.*?)\) when calling the (\w+) operation', said)
    assert found, said
    return found.group(1)


def attribute(url, name):
    answer = aws('get-queue-attributes', '--queue-url', url, '--attribute-names', name)
    return answer['Attributes'][name]


@scenario
def a_queue_from_its_making_to_its_end():
    name = unique('cli')
    url = aws('create-queue', '--queue-name', name, '--attributes', 'VisibilityTimeout=45,DelaySeconds=0')['QueueUrl']
    equal(aws('get-queue-url', '--queue-name', name), {'QueueUrl': url})
    equal(aws('list-queues', '--queue-name-prefix', name)['QueueUrls'], [url])
    attributes = ('get-queue-attributes', '--queue-url', url, '--attribute-names')
    equal(aws(*attributes, 'VisibilityTimeout'), {'Attributes': {'VisibilityTimeout': '45'}})
    aws('set-queue-attributes', '--queue-url', url, '--attributes', '{"VisibilityTimeout":"50"}')
    equal(aws(*attributes, 'All')['Attributes']['VisibilityTimeout'], '50')
    with tempfile.NamedTemporaryFile('w') as file:
        json.dump({'kind': {'DataType': 'String', 'StringValue': 'ä'}}, file)
        file.flush()
        sent = aws('send-message', '--queue-url', url, '--message-body', 'hello', '--message-attributes', 'file://' + file.name)
    receive = ('receive-message', '--queue-url', url, '--wait-time-seconds', '5')
    [message] = aws(*receive, '--attribute-names', 'All', '--message-attribute-names', 'All')['Messages']
    equal((message['Body'], message['MessageId']), ('hello', sent['MessageId']))
    equal(message['MessageAttributes']['kind']['StringValue'], 'ä')
    handle = message['ReceiptHandle']
    aws('change-message-visibility', '--queue-url', url, '--receipt-handle', handle, '--visibility-timeout', '0')
    [message] = aws(*receive)['Messages']
    aws('delete-message', '--queue-url', url, '--receipt-handle', message['ReceiptHandle'])
    batch = json.dumps([{'Id': str(n), 'MessageBody': str(n)} for n in range(3)])
    equal(len(aws('send-message-batch', '--queue-url', url, '--entries', batch)['Successful']), 3)
    aws('purge-queue', '--queue-url', url)
    aws('tag-queue', '--queue-url', url, '--tags', 'team=one')
    equal(aws('list-queue-tags', '--queue-url', url), {'Tags': {'team': 'one'}})
    aws('delete-queue', '--queue-url', url)


@scenario
def fifo_and_dead_letters():
    name = unique('cli')
    dead = aws('create-queue', '--queue-name', name + '-dead.fifo', '--attributes', 'FifoQueue=true')['QueueUrl']
    arn = aws('get-queue-attributes', '--queue-url', dead, '--attribute-names', 'QueueArn')['Attributes']['QueueArn']
    policy = json.dumps({'deadLetterTargetArn': arn, 'maxReceiveCount': '1'})
    attributes = {'FifoQueue': 'true', 'ContentBasedDeduplication': 'true', 'VisibilityTimeout': '0', 'RedrivePolicy': policy}
    url = aws('create-queue', '--queue-name', name + '.fifo', '--attributes', json.dumps(attributes))['QueueUrl']
    for _ in range(2):
        sent = aws('send-message', '--queue-url', url, '--message-body', 'x', '--message-group-id', 'g')
        assert int(sent['SequenceNumber']) >= 0, sent
    equal(len(aws('receive-message', '--queue-url', url, '--max-number-of-messages', '10')['Messages']), 1)
    assert not (aws('receive-message', '--queue-url', url) or {}).get('Messages')
    equal(len(aws('receive-message', '--queue-url', dead, '--wait-time-seconds', '5')['Messages']), 1)
    for each in (url, dead):
        aws('delete-queue', '--queue-url', each)


@scenario
def dead_letters_and_back():
    name = unique('cli')
    dead = aws('create-queue', '--queue-name', name + '-dead')['QueueUrl']
    arn = attribute(dead, 'QueueArn')
    attributes = {'VisibilityTimeout': '0', 'RedrivePolicy': json.dumps({'deadLetterTargetArn': arn, 'maxReceiveCount': 1})}
    url = aws('create-queue', '--queue-name', name, '--attributes', json.dumps(attributes))['QueueUrl']
    aws('send-message', '--queue-url', url, '--message-body', 'poison')
    equal(len(aws('receive-message', '--queue-url', url, '--wait-time-seconds', '5')['Messages']), 1)
    assert not (aws('receive-message', '--queue-url', url) or {}).get('Messages')
    eventually(lambda: attribute(dead, 'ApproximateNumberOfMessages') == '1')
    assert aws('start-message-move-task', '--source-arn', arn)['TaskHandle']
    [message] = aws('receive-message', '--queue-url', url, '--wait-time-seconds', '5')['Messages']
    equal(message['Body'], 'poison')
    [task] = aws('list-message-move-tasks', '--source-arn', arn)['Results']
    equal(task['SourceArn'], arn)
    for each in (url, dead):
        aws('delete-queue', '--queue-url', each)


@scenario
def batches_and_delays():
    url = aws('create-queue', '--queue-name', unique('cli'))['QueueUrl']
    entries = json.dumps([{'Id': str(n), 'MessageBody': str(n)} for n in range(3)])
    equal(len(aws('send-message-batch', '--queue-url', url, '--entries', entries)['Successful']), 3)
    receive = ('receive-message', '--queue-url', url, '--max-number-of-messages', '10', '--wait-time-seconds', '5')
    messages = []
    while len(messages) < 3:
        messages += aws(*receive)['Messages']
    handles = [{'Id': m['Body'], 'ReceiptHandle': m['ReceiptHandle']} for m in messages]
    hidden = json.dumps([{**handle, 'VisibilityTimeout': 60} for handle in handles])
    equal(len(aws('change-message-visibility-batch', '--queue-url', url, '--entries', hidden)['Successful']), 3)
    equal(len(aws('delete-message-batch', '--queue-url', url, '--entries', json.dumps(handles))['Successful']), 3)
    aws('send-message', '--queue-url', url, '--message-body', 'late', '--delay-seconds', '1')
    assert not (aws('receive-message', '--queue-url', url) or {}).get('Messages')
    [message] = aws(*receive)['Messages']
    equal(message['Body'], 'late')
    aws('delete-queue', '--queue-url', url)


@scenario
def errors():
    said = aws('get-queue-url', '--queue-name', 'no-such-queue', fails=True)
    assert '(%s)' % expected('sqs_missing_queue') in said, said
    assert 'GetQueueUrl operation' in said and 'queue does not exist' in said, said
    equal(code_of('receive-message', '--queue-url', ENDPOINT + '/000000000000/none'), expected('sqs_missing_queue'))
    url = aws('create-queue', '--queue-name', unique('cli'))['QueueUrl']
    send = ('send-message', '--queue-url', url, '--message-body')
    batch = ('send-message-batch', '--queue-url', url, '--entries')
    entries = [{'Id': str(n), 'MessageBody': 'x'} for n in range(11)]
    prefix = expected('sqs_batch_prefix')
    with tempfile.NamedTemporaryFile('w') as file:
        file.write('x' * 1_048_577)
        file.flush()
        equal(code_of(*send, 'file://' + file.name), expected('sqs_out_of_range'))
    equal(code_of(*batch, json.dumps(entries)), prefix + 'TooManyEntriesInBatchRequest')
    equal(code_of(*batch, json.dumps([entries[0], entries[0]])), prefix + 'BatchEntryIdsNotDistinct')
    equal(code_of('delete-message', '--queue-url', url, '--receipt-handle', 'wrong'), 'ReceiptHandleIsInvalid')
    if TARGET == 'posthorn':  # ElasticMQ lets them pass, or has codes of its own
        equal(code_of('set-queue-attributes', '--queue-url', url, '--attributes', 'Odd=1'), 'InvalidAttributeName')
        equal(code_of('set-queue-attributes', '--queue-url', url, '--attributes', 'DelaySeconds=901'), 'InvalidAttributeValue')
        equal(code_of(*batch, '[]'), prefix + 'EmptyBatchRequest')
        equal(code_of(*send, 'x', '--delay-seconds', '901'), 'InvalidParameterValue')
        with tempfile.NamedTemporaryFile('w') as file:
            json.dump([{'Id': str(n), 'MessageBody': 'x' * 200_000} for n in range(6)], file)
            file.flush()
            equal(code_of(*batch, 'file://' + file.name), prefix + 'BatchRequestTooLong')
    aws('delete-queue', '--queue-url', url)


if TARGET == 'posthorn':

    @scenario
    def signatures():
        signed = {'endpoint': 'http://localhost:' + os.environ['SQS_SIGNED_PORT'], 'key': 'app', 'secret': 'secret'}
        url = aws('create-queue', '--queue-name', unique('cli'), **signed)['QueueUrl']
        aws('delete-queue', '--queue-url', url, **signed)
        equal(code_of('list-queues', **{**signed, 'secret': 'wrong'}), 'SignatureDoesNotMatch')
        equal(code_of('list-queues', **{**signed, 'key': 'nobody'}), 'InvalidClientTokenId')
        # Nobody's signature at all.
        said = aws('list-queues', '--no-sign-request', fails=True, **signed)
        assert '(MissingAuthenticationToken' in said, said


main()
