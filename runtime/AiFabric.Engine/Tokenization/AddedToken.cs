using System.Text.Json;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization;

/// <summary>A token that is found in the text before words are cut, such as an end-of-text mark.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its text.</param>
internal sealed record AddedToken(int Id, string Content)
{
    /// <summary>Whether it is a control mark, not text.</summary>
    public bool Special { get; init; }

    /// <summary>Whether it is found only where no letter or digit touches it.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Whether blanks before it belong to it.</summary>
    public bool LeftStrip { get; init; }

    /// <summary>Whether blanks after it belong to it.</summary>
    public bool RightStrip { get; init; }

    /// <summary>Whether it is looked for in the normalized text.</summary>
    public bool Normalized { get; init; }

    /// <summary>Reads an entry of <c>added_tokens</c>, or of <c>added_tokens_decoder</c>, where the id is the key.</summary>
    /// <exception cref="CheckpointException">It has no content, or not the types that it should have.</exception>
    public static AddedToken Read(JsonElement json, int? id, string at)
    {
        if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("content", out var content) || content.ValueKind != JsonValueKind.String)
            throw new CheckpointException($"{at}: an added token has no content.");
        if (id is null && json.TryGetProperty("id", out var number) && number.ValueKind == JsonValueKind.Number && number.TryGetInt32(out int own))
            id = own;
        bool special = Flag(json, "special", false);
        return new AddedToken(id ?? throw new CheckpointException($"{at}: the added token '{content.GetString()}' has no id."), content.GetString() ?? "")
        {
            Special = special,
            SingleWord = Flag(json, "single_word", false),
            LeftStrip = Flag(json, "lstrip", false),
            RightStrip = Flag(json, "rstrip", false),
            Normalized = Flag(json, "normalized", !special),
        };
    }

    private static bool Flag(JsonElement json, string name, bool absent) =>
        json.TryGetProperty(name, out var value) ? value.ValueKind == JsonValueKind.True : absent;
}
