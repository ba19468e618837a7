// franz-go against one broker: every request version it knows is the newest both sides share.
package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"posthorn.test/clients/scenario"
)

var seed = "localhost:" + scenario.Env("KAFKA_PORT", "9092")

func client(opts ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(seed)}, opts...)...)
	if err != nil {
		panic(err)
	}
	return made
}

func within(seconds int) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds)*time.Second)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func create(admin *kadm.Client, name string, partitions int32, configs map[string]*string) (string, error) {
	topic := scenario.Unique(name)
	response, err := admin.CreateTopic(within(15), partitions, 1, configs, topic)
	if err != nil {
		return topic, err
	}
	if response.Err != nil {
		return topic, response.Err
	}
	// Kafka tells a new topic's creation before all of its parts know of it.
	return topic, scenario.Eventually("all partitions are known", func() bool {
		details, err := admin.ListTopics(within(15), topic)
		return err == nil && len(details[topic].Partitions) == int(partitions)
	})
}

func take(reader *kgo.Client, count int) ([]*kgo.Record, error) {
	var records []*kgo.Record
	ctx := within(20)
	for len(records) < count {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return records, fmt.Errorf("%d of %d records: %w", len(records), count, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records, scenario.Equal("records", len(records), count)
}

func read(topic string, count int) ([]*kgo.Record, error) {
	reader := client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	return take(reader, count)
}

func values(records []*kgo.Record) []string {
	texts := make([]string, len(records))
	for n, record := range records {
		texts[n] = string(record.Value)
	}
	return texts
}

func numbered(count int) []string {
	texts := make([]string, count)
	for n := range texts {
		texts[n] = fmt.Sprintf("value %d", n)
	}
	return texts
}

func produce(producer *kgo.Client, topic string, texts []string) error {
	records := make([]*kgo.Record, len(texts))
	for n, text := range texts {
		records[n] = &kgo.Record{Topic: topic, Value: []byte(text)}
	}
	return producer.ProduceSync(within(30), records...).FirstErr()
}

func everyCodec() error {
	admin := kadm.NewClient(client())
	defer admin.Close()
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for name, codec := range codecs {
		topic, err := create(admin, name, 1, nil)
		if err != nil {
			return err
		}
		producer := client(kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(5*time.Millisecond))
		if err := produce(producer, topic, numbered(3000)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		producer.Close()
		records, err := read(topic, 3000)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := scenario.Equal(name, values(records), numbered(3000)); err != nil {
			return err
		}
	}
	return nil
}

func shapes() error {
	topic := scenario.Unique("shapes")
	producer := client(kgo.AllowAutoTopicCreation())
	defer producer.Close()
	sent := []*kgo.Record{
		{Topic: topic, Key: []byte("k"), Value: []byte("v"), Timestamp: time.UnixMilli(1_600_000_000_000),
			Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}, {Key: "", Value: []byte{}}}},
		{Topic: topic, Key: []byte("tombstone"), Value: nil, Timestamp: time.UnixMilli(1_600_000_001_000)},
		{Topic: topic, Key: nil, Value: []byte{}, Timestamp: time.UnixMilli(1_600_000_002_000)},
	}
	if err := producer.ProduceSync(within(20), sent...).FirstErr(); err != nil {
		return err
	}
	got, err := read(topic, 3)
	if err != nil {
		return err
	}
	for n, record := range got {
		if err := errors.Join(
			scenario.Equal("key", record.Key, sent[n].Key),
			scenario.Equal("value", record.Value, sent[n].Value),
			scenario.Equal("timestamp", record.Timestamp.UnixMilli(), sent[n].Timestamp.UnixMilli()),
			scenario.Equal("headers", len(record.Headers), len(sent[n].Headers)),
			scenario.Equal("offset", record.Offset, int64(n)),
		); err != nil {
			return err
		}
	}
	return scenario.Equal("null header", got[0].Headers[1].Value == nil, true)
}

type member struct {
	*kgo.Client
	mutex  sync.Mutex
	owned  []int32
	values []string
	stop   context.CancelFunc
	ended  chan struct{}
}

func join(topic, group string, opts ...kgo.Opt) *member {
	m := &member{ended: make(chan struct{})}
	change := func(lost bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			m.mutex.Lock()
			defer m.mutex.Unlock()
			for _, partition := range partitions[topic] {
				if lost {
					m.owned = slices.DeleteFunc(m.owned, func(p int32) bool { return p == partition })
				} else {
					m.owned = append(m.owned, partition)
				}
			}
		}
	}
	m.Client = client(append([]kgo.Opt{
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(300 * time.Millisecond), kgo.SessionTimeout(8 * time.Second),
		kgo.OnPartitionsAssigned(change(false)), kgo.OnPartitionsRevoked(change(true)), kgo.OnPartitionsLost(change(true)),
	}, opts...)...)
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	go func() {
		defer close(m.ended)
		for ctx.Err() == nil {
			fetches := m.PollFetches(ctx)
			m.mutex.Lock()
			m.values = append(m.values, values(fetches.Records())...)
			m.mutex.Unlock()
		}
	}()
	return m
}

func (m *member) leave() {
	m.stop()
	<-m.ended
	m.Close()
}

func settled(partitions int, members ...*member) func() bool {
	return func() bool {
		var all []int32
		for _, m := range members {
			m.mutex.Lock()
			if len(m.owned) == 0 {
				m.mutex.Unlock()
				return false
			}
			all = append(all, m.owned...)
			m.mutex.Unlock()
		}
		slices.Sort(all)
		return len(all) == partitions && len(slices.Compact(all)) == partitions
	}
}

func rebalances(balancer kgo.GroupBalancer) func() error {
	return func() error {
		admin := kadm.NewClient(client())
		defer admin.Close()
		topic, err := create(admin, "shared", 6, nil)
		if err != nil {
			return err
		}
		group := scenario.Unique("group")
		first := join(topic, group, kgo.Balancers(balancer))
		if err := scenario.Eventually("one owns all", settled(6, first)); err != nil {
			return err
		}
		second := join(topic, group, kgo.Balancers(balancer))
		if err := scenario.Eventually("two share", settled(6, first, second)); err != nil {
			return err
		}
		third := join(topic, group, kgo.Balancers(balancer))
		if err := scenario.Eventually("three share", settled(6, first, second, third)); err != nil {
			return err
		}
		first.leave()
		if err := scenario.Eventually("two are left", settled(6, second, third)); err != nil {
			return err
		}
		producer := client()
		if err := produce(producer, topic, numbered(300)); err != nil {
			return err
		}
		producer.Close()
		err = scenario.Eventually("all arrive once", func() bool {
			second.mutex.Lock()
			third.mutex.Lock()
			defer second.mutex.Unlock()
			defer third.mutex.Unlock()
			return len(second.values)+len(third.values) == 300
		})
		second.leave()
		third.leave()
		return err
	}
}

func staticMembers() error {
	admin := kadm.NewClient(client())
	defer admin.Close()
	topic, err := create(admin, "static", 4, nil)
	if err != nil {
		return err
	}
	group := scenario.Unique("group")
	one := join(topic, group, kgo.InstanceID("one"))
	two := join(topic, group, kgo.InstanceID("two"))
	if err := scenario.Eventually("both share", settled(4, one, two)); err != nil {
		return err
	}
	_, generation := two.GroupMetadata()
	one.leave()
	again := join(topic, group, kgo.InstanceID("one"))
	if err := scenario.Eventually("the same share again", settled(4, again, two)); err != nil {
		return err
	}
	_, now := two.GroupMetadata()
	again.leave()
	two.leave()
	return scenario.Equal("generation", now, generation)
}

func commits() error {
	topic := scenario.Unique("commits")
	producer := client(kgo.AllowAutoTopicCreation())
	defer producer.Close()
	if err := produce(producer, topic, numbered(10)); err != nil {
		return err
	}
	group := scenario.Unique("group")
	options := []kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
	first := client(options...)
	records, err := take(first, 10)
	if err != nil {
		return err
	}
	if err := first.CommitRecords(within(10), records[3]); err != nil {
		return err
	}
	first.Close()
	second := client(options...)
	defer second.Close()
	rest, err := take(second, 6)
	if err != nil {
		return err
	}
	return scenario.Equal("resumed", values(rest), numbered(10)[4:])
}

func admin() error {
	admin := kadm.NewClient(client())
	defer admin.Close()
	limit := "2000"
	topic, err := create(admin, "admin", 2, map[string]*string{"max.message.bytes": &limit})
	if err != nil {
		return err
	}
	ctx := within(40)
	details, err := admin.ListTopics(ctx, topic)
	if err != nil {
		return err
	}
	if err := scenario.Equal("partitions", len(details[topic].Partitions), 2); err != nil {
		return err
	}
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return err
	}
	found := map[string]string{}
	for _, config := range configs[0].Configs {
		found[config.Key] = config.MaybeValue()
	}
	if err := errors.Join(
		scenario.Equal("max.message.bytes", found["max.message.bytes"], "2000"),
		scenario.Equal("cleanup.policy", found["cleanup.policy"], "delete"),
	); err != nil {
		return err
	}
	producer := client(kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer producer.Close()
	err = produce(producer, topic, []string{strings.Repeat("x", 3000)})
	if !errors.Is(err, kerr.MessageTooLarge) {
		return fmt.Errorf("expected MESSAGE_TOO_LARGE, got %v", err)
	}
	more, err := admin.CreatePartitions(ctx, 3, topic)
	if err != nil || more.Error() != nil {
		return errors.Join(err, more.Error())
	}
	again, err := admin.CreateTopic(ctx, 1, 1, nil, topic)
	if !errors.Is(errors.Join(err, again.Err), kerr.TopicAlreadyExists) {
		return fmt.Errorf("expected TOPIC_ALREADY_EXISTS, got %v %v", err, again.Err)
	}
	_, err = admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: "max.message.bytes"}}, topic)
	if err != nil {
		return err
	}
	deleted, err := admin.DeleteTopics(ctx, topic)
	if err != nil || deleted.Error() != nil {
		return errors.Join(err, deleted.Error())
	}
	return scenario.Eventually("the topic is gone", func() bool {
		names, err := admin.ListTopics(within(5))
		return err == nil && !names.Has(topic)
	})
}

func offsets() error {
	admin := kadm.NewClient(client())
	defer admin.Close()
	topic, err := create(admin, "offsets", 1, nil)
	if err != nil {
		return err
	}
	producer := client()
	defer producer.Close()
	for n := range 10 {
		record := &kgo.Record{Topic: topic, Value: []byte("x"), Timestamp: time.UnixMilli(1_700_000_000_000 + int64(n)*1000)}
		if err := producer.ProduceSync(within(10), record).FirstErr(); err != nil {
			return err
		}
	}
	ctx := within(20)
	at := func(list func() (kadm.ListedOffsets, error)) int64 {
		listed, err := list()
		if err != nil {
			panic(err)
		}
		offset, _ := listed.Lookup(topic, 0)
		return offset.Offset
	}
	removed := kadm.Offsets{}
	removed.Add(kadm.Offset{Topic: topic, Partition: 0, At: 3, LeaderEpoch: -1})
	if err := errors.Join(
		scenario.Equal("start", at(func() (kadm.ListedOffsets, error) { return admin.ListStartOffsets(ctx, topic) }), int64(0)),
		scenario.Equal("end", at(func() (kadm.ListedOffsets, error) { return admin.ListEndOffsets(ctx, topic) }), int64(10)),
		scenario.Equal("max", at(func() (kadm.ListedOffsets, error) { return admin.ListMaxTimestampOffsets(ctx, topic) }), int64(9)),
		scenario.Equal("time", at(func() (kadm.ListedOffsets, error) {
			return admin.ListOffsetsAfterMilli(ctx, 1_700_000_004_500, topic)
		}), int64(5)),
	); err != nil {
		return err
	}
	trimmed, err := admin.DeleteRecords(ctx, removed)
	if err != nil || trimmed.Error() != nil {
		return errors.Join(err, trimmed.Error())
	}
	return scenario.Equal("start", at(func() (kadm.ListedOffsets, error) { return admin.ListStartOffsets(ctx, topic) }), int64(3))
}

func groups() error {
	admin := kadm.NewClient(client())
	defer admin.Close()
	topic, err := create(admin, "listed", 1, nil)
	if err != nil {
		return err
	}
	group := scenario.Unique("group")
	m := join(topic, group)
	if err := scenario.Eventually("joined", settled(1, m)); err != nil {
		return err
	}
	ctx := within(40)
	described, err := admin.DescribeGroups(ctx, group)
	if err != nil {
		return err
	}
	if err := errors.Join(
		scenario.Equal("state", described[group].State, "Stable"),
		scenario.Equal("members", len(described[group].Members), 1),
	); err != nil {
		return err
	}
	m.leave()
	commit := kadm.Offsets{}
	commit.Add(kadm.Offset{Topic: topic, Partition: 0, At: 7, LeaderEpoch: -1, Metadata: "note"})
	if err := admin.CommitAllOffsets(ctx, group, commit); err != nil {
		return err
	}
	fetched, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	offset, _ := fetched.Lookup(topic, 0)
	if err := scenario.Equal("committed", offset.At, int64(7)); err != nil {
		return err
	}
	if err := scenario.Equal("metadata", offset.Metadata, "note"); err != nil {
		return err
	}
	deleted, err := admin.DeleteGroups(ctx, group)
	if err != nil || deleted.Error() != nil {
		return errors.Join(err, deleted.Error())
	}
	listed, err := admin.ListGroups(ctx)
	if err != nil {
		return err
	}
	return scenario.Equal("listed", listed.Groups() != nil && slices.Contains(listed.Groups(), group), false)
}

func manyPartitionsManyProducers() error {
	admin := kadm.NewClient(client())
	defer admin.Close()
	topic, err := create(admin, "wide", 50, nil)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	problems := make(chan error, 8)
	for p := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			producer := client()
			defer producer.Close()
			records := make([]*kgo.Record, 1000)
			for n := range records {
				key := []byte(fmt.Sprintf("%d-%d", p, n%20))
				records[n] = &kgo.Record{Topic: topic, Key: key, Value: []byte(fmt.Sprintf("%d", n))}
			}
			problems <- producer.ProduceSync(within(40), records...).FirstErr()
		}()
	}
	group.Wait()
	close(problems)
	for problem := range problems {
		if problem != nil {
			return problem
		}
	}
	records, err := read(topic, 8000)
	if err != nil {
		return err
	}
	last := map[string]int{}
	sort.SliceStable(records, func(a, b int) bool {
		if records[a].Partition != records[b].Partition {
			return records[a].Partition < records[b].Partition
		}
		return records[a].Offset < records[b].Offset
	})
	for _, record := range records {
		var n int
		fmt.Sscanf(string(record.Value), "%d", &n)
		if previous, seen := last[string(record.Key)]; seen && n <= previous {
			return fmt.Errorf("key %s: %d after %d", record.Key, n, previous)
		}
		last[string(record.Key)] = n
	}
	return scenario.Equal("keys", len(last), 160)
}

func main() {
	scenario.Add("every codec", everyCodec)
	scenario.Add("keys, headers, tombstones, timestamps", shapes)
	scenario.Add("rebalancing range", rebalances(kgo.RangeBalancer()))
	scenario.Add("rebalancing sticky", rebalances(kgo.StickyBalancer()))
	scenario.Add("rebalancing cooperative sticky", rebalances(kgo.CooperativeStickyBalancer()))
	scenario.Add("static members", staticMembers)
	scenario.Add("commit and resume", commits)
	scenario.Add("admin: topics and configs", admin)
	scenario.Add("admin: offsets and deleted records", offsets)
	scenario.Add("admin: groups", groups)
	scenario.Add("fifty partitions, eight idempotent producers", manyPartitionsManyProducers)
	scenario.Main()
}
