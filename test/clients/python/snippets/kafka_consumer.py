import os

from kafka import KafkaConsumer

consumer = KafkaConsumer(
    'my-topic',
    bootstrap_servers='localhost:' + os.environ['KAFKA_PORT'],
    auto_offset_reset='earliest',
    group_id='my-group',
)
for message in consumer:
    print(message.topic, message.partition, message.offset, message.value.decode(), flush=True)
