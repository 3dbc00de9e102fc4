namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>Walks over a template's tokens.</summary>
internal sealed class TokenCursor(string source)
{
    private readonly List<TemplateToken> tokens = TemplateLexer.Read(source);
    private int position;

    public TemplateToken Current => tokens[position];

    public TemplateToken Next => tokens[Math.Min(position + 1, tokens.Count - 1)];

    public TemplateToken Take() => tokens[Current.Kind == TokenKind.End ? position : position++];

    public bool IsSymbol(string symbol) => Current.Kind == TokenKind.Symbol && Current.Text == symbol;

    public bool IsName(string name) => Current.Kind == TokenKind.Name && Current.Text == name;

    public bool TrySymbol(string symbol)
    {
        if (!IsSymbol(symbol))
            return false;
        position++;
        return true;
    }

    public bool TryName(string name)
    {
        if (!IsName(name))
            return false;
        position++;
        return true;
    }

    public TemplateToken Expect(TokenKind kind) => Current.Kind == kind ? Take() : throw Error($"'{Current.Text}' is not supported here");

    public void ExpectSymbol(string symbol)
    {
        if (!TrySymbol(symbol))
            throw Error($"'{symbol}' was expected, not '{Current.Text}'");
    }

    public void ExpectName(string name)
    {
        if (!TryName(name))
            throw Error($"'{name}' was expected, not '{Current.Text}'");
    }

    public string Here() => At(Current);

    public string At(TemplateToken token) => TemplateLexer.At(source, token.Offset);

    public ChatTemplateException Error(string problem) => Error(Current, problem);

    public ChatTemplateException Error(TemplateToken token, string problem) => new($"chat_template {At(token)}: {problem}.");
}
