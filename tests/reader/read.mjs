// SPDX-License-Identifier: BSD-2-Clause
//
// read.mjs - a recording as the reader of the format's authors sees it.
//
//     node read.mjs FILE [unfinished]
//
// Reads FILE by its index and, once more, from front to back (an unfinished one
// that way alone), with all CRCs checked, and prints one JSON object: of each
// topic how many messages, the hash of all their payloads in a row, and of each
// publisher the numbers of its messages; events, metadata, counts.
import { createHash } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { crc32 } from "@foxglove/crc";
import { McapIndexedReader, McapStreamReader } from "@mcap/core";
import { decompress } from "fzstd";

const decompressHandlers = {
	zstd: (data, size) => {
		const unpacked = decompress(data);
		if (BigInt(unpacked.byteLength) !== size)
			throw new Error("a chunk of another size than it says");
		return unpacked;
	},
};

class Books {
	topics = new Map();
	events = [];
	messages = 0;

	note(message, channel, schema) {
		if (channel.messageEncoding === "json") {
			if (schema?.encoding !== "jsonschema")
				throw new Error("events without their schema");
			JSON.parse(new TextDecoder().decode(schema.data));
			this.events.push(JSON.parse(new TextDecoder().decode(message.data)));
			return;
		}
		if (channel.messageEncoding === "raw" ? channel.schemaId !== 0 :
			schema?.encoding !== channel.messageEncoding || !schema.name)
			throw new Error(`encoding ${channel.messageEncoding}`);
		if (message.publishTime !== message.logTime)
			throw new Error("a time of publishing that nobody knows");
		this.messages++;
		let topic = this.topics.get(channel.topic);
		if (!topic) {
			topic = { count: 0, hash: createHash("sha256"), publishers: {} };
			this.topics.set(channel.topic, topic);
		}
		topic.count++;
		topic.hash.update(message.data);
		const publisher = channel.metadata.get("publisher");
		const numbers = topic.publishers[publisher] ??= {
			program: channel.metadata.get("program"),
			first: message.sequence, next: message.sequence, gaps: 0 };
		numbers.gaps += message.sequence - numbers.next;
		numbers.next = message.sequence + 1;
	}

	result() {
		const topics = {};
		for (const [name, topic] of this.topics)
			topics[name] = { count: topic.count, sha256: topic.hash.digest("hex"),
				publishers: topic.publishers };
		return { messages: this.messages, topics, events: this.events };
	}
}

async function indexed(path) {
	const file = await open(path);
	const readable = {
		size: async () => BigInt((await file.stat()).size),
		read: async (offset, size) => {
			const data = new Uint8Array(Number(size));
			const { bytesRead } = await file.read(data, 0, data.length, Number(offset));
			if (bytesRead !== data.length)
				throw new Error("read beyond the end");
			return data;
		},
	};
	const reader = await McapIndexedReader.Initialize({ readable, decompressHandlers });
	const books = new Books();
	let last = 0n;
	for await (const message of reader.readMessages({ validateCrcs: true })) {
		const channel = reader.channelsById.get(message.channelId);
		if (message.logTime < last)
			throw new Error("times that go back");
		last = message.logTime;
		books.note(message, channel, reader.schemasById.get(channel.schemaId));
	}
	const metadata = {};
	for await (const record of reader.readMetadata())
		metadata[record.name] = Object.fromEntries(record.metadata);
	await file.close();

	const data = await readFile(path);
	if (!reader.dataSectionCrc ||
		crc32(data.subarray(0, Number(reader.dataEndOffset))) !== reader.dataSectionCrc)
		throw new Error("a wrong CRC of the data section");
	const statistics = reader.statistics;
	if (statistics.chunkCount !== reader.chunkIndexes.length ||
		statistics.channelCount !== reader.channelsById.size ||
		statistics.schemaCount !== reader.schemasById.size ||
		statistics.metadataCount !== reader.metadataIndexes.length)
		throw new Error("statistics of another file");
	return { ...books.result(), metadata, library: reader.header.library,
		counted: Number(statistics.messageCount), chunks: statistics.chunkCount };
}

async function streamed(path) {
	const reader = new McapStreamReader({ decompressHandlers, validateCrcs: true });
	const channels = new Map(), schemas = new Map();
	const books = new Books();
	reader.append(await readFile(path));
	for (let record; (record = reader.nextRecord()); ) {
		if (record.type === "Schema")
			schemas.set(record.id, record);
		else if (record.type === "Channel")
			channels.set(record.id, record);
		else if (record.type === "Message") {
			const channel = channels.get(record.channelId);
			books.note(record, channel, schemas.get(channel.schemaId));
		}
	}
	return { ...books.result(), done: reader.done() };
}

const [path, unfinished] = process.argv.slice(2);
const result = { streamed: await streamed(path) };
if (!unfinished)
	result.indexed = await indexed(path);
console.log(JSON.stringify(result));
