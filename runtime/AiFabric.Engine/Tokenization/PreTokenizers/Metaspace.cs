namespace AiFabric.Engine.Tokenization.PreTokenizers;

/// <summary>SentencePiece's way: spaces become a visible character, and one may stand before the text.</summary>
internal static class Metaspace
{
    private const char Visible = '\u2581';

    /// <exception cref="Weights.CheckpointException">A field is unknown or has another value.</exception>
    public static PreTokenizer ReadPreTokenizer(JsonPart json)
    {
        var (replacement, scheme) = Read(json);
        bool split = json.Flag("split", true);
        return (piece, output) =>
        {
            string text = piece.Text.Replace(' ', replacement);
            bool prefixed = scheme == "always" ? piece.Before != Before.Text : scheme == "first" && piece.Before == Before.Nothing;
            if (prefixed && text.Length > 0 && text[0] != replacement)
                text = replacement + text;
            piece = piece with { Text = text };
            if (split)
                Splitter.Split(piece, Find(text, replacement), SplitBehavior.MergedWithNext, invert: false, output);
            else
                output.Add(piece);
        };
    }

    /// <summary>The character that stands for a space, and when one is put before the text: always, first (where the text begins) or never.</summary>
    public static (char Replacement, string Scheme) Read(JsonPart json)
    {
        json.Only("replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep");
        // Older files say whether, not when.
        string scheme = json.Text("prepend_scheme", json.Flag("add_prefix_space", true) ? "always" : "never");
        return scheme is "always" or "first" or "never"
            ? (json.Character("replacement", Visible), scheme)
            : throw json.Refuse($"the prepend_scheme '{scheme}' is not supported");
    }

    private static List<(int, int)> Find(string text, char character)
    {
        var found = new List<(int, int)>();
        for (int i = text.IndexOf(character, StringComparison.Ordinal); i >= 0; i = text.IndexOf(character, i + 1))
            found.Add((i, 1));
        return found;
    }
}
