using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization;

/// <summary>The marks that <c>post_processor</c> puts around a single text. Templates for pairs of texts are not read.</summary>
/// <param name="Opening">Ids before the text.</param>
/// <param name="Closing">Ids after it.</param>
internal sealed record PostProcessor(IReadOnlyList<int> Opening, IReadOnlyList<int> Closing)
{
    public static readonly PostProcessor None = new([], []);

    /// <exception cref="CheckpointException">It is of a kind that is not supported, or malformed.</exception>
    public static PostProcessor Read(JsonPart json)
    {
        switch (json.Type)
        {
            case "ByteLevel": // Changes offsets only.
                return None;
            case "Sequence":
                json.Only("processors");
                return json.Items("processors").Select(Read).Aggregate(None, (inner, outer) => new([.. outer.Opening, .. inner.Opening], [.. inner.Closing, .. outer.Closing]));
            case "BertProcessing" or "RobertaProcessing":
                json.Only("sep", "cls", "trim_offsets", "add_prefix_space");
                return new([Mark(json, "cls")], [Mark(json, "sep")]);
            case "TemplateProcessing":
                return ReadTemplate(json);
            default:
                throw json.Refuse($"the post_processor '{json.Type}' is not supported");
        }
    }

    // ["<s>", 0]
    private static int Mark(JsonPart json, string name) =>
        json.Items(name) is [_, var id] && id.Element.ValueKind == System.Text.Json.JsonValueKind.Number && id.Element.TryGetInt32(out int number)
            ? number
            : throw json.Get(name).Refuse("is no token with its id");

    private static PostProcessor ReadTemplate(JsonPart json)
    {
        json.Only("single", "pair", "special_tokens");
        var opening = new List<int>();
        var closing = new List<int>();
        bool text = false;
        foreach (var item in json.Items("single"))
        {
            if (item.Find("SpecialToken") is { } mark)
            {
                var ids = json.Get("special_tokens").Get(mark.Text("id")).Items("ids");
                (text ? closing : opening).AddRange(ids.Select(id =>
                    id.Element.ValueKind == System.Text.Json.JsonValueKind.Number && id.Element.TryGetInt32(out int number) ? number : throw id.Refuse("is no token id")));
            }
            else if (item.Has("Sequence") && !text)
            {
                text = true;
            }
            else
            {
                throw item.Refuse("is neither a special token nor the one text");
            }
        }
        return text ? new(opening, closing) : throw json.Get("single").Refuse("has no text");
    }
}
