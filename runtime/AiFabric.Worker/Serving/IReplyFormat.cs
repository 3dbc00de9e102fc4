using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Streaming;

namespace AiFabric.Worker.Serving;

/// <summary>How one endpoint spells its answers; each method gives UTF-8 JSON on one line.</summary>
internal interface IReplyFormat
{
    string Id { get; }

    /// <summary>What a stream sends of a choice before its first piece, or null.</summary>
    byte[]? Opening(int choice);

    byte[] Chunk(int choice, ChoicePiece piece);

    /// <summary>The chunk without choices that ends a stream with usage.</summary>
    byte[] UsageChunk(Usage usage);

    /// <summary>The whole answer, for requests without streaming.</summary>
    byte[] Whole(IReadOnlyList<ChoicePiece> choices, Usage usage);
}
