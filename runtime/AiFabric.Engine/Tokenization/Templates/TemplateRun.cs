using System.Globalization;
using System.Runtime.CompilerServices;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>One rendering: its clock, and how much work it may still do, since the template comes with the model and the messages from a client.</summary>
internal sealed class TemplateRun(TimeProvider time)
{
    // A long conversation through the longest templates takes a few steps per character at most.
    private const int MostSteps = 5_000_000;
    private const int CharactersPerStep = 64;
    private const int ItemsPerStep = 16;
    private const long MostCharacters = 1 << 26;

    private int steps;
    private long characters;

    public DateTimeOffset Now { get; } = time.GetLocalNow();

    /// <exception cref="ChatTemplateException">The rendering takes too many steps.</exception>
    public void Step(int count = 1)
    {
        if (count < 0 || (steps += count) is < 0 or > MostSteps)
            throw new ChatTemplateException(string.Create(CultureInfo.InvariantCulture, $"chat_template takes more than {MostSteps:N0} steps."));
    }

    /// <summary>Accounts for going into a value inside another: nested values can be deep, and can hold one value many times.</summary>
    /// <exception cref="ChatTemplateException">The values are nested too deeply.</exception>
    public void Enter()
    {
        Step();
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new ChatTemplateException("chat_template: a value is nested too deeply.");
    }

    /// <summary>Accounts for an operation on a value, whose time grows with the value's size.</summary>
    public void Weigh(object? value) => Step(value switch
    {
        TemplateText text => text.Length / CharactersPerStep,
        IReadOnlyList<object?> list => list.Count / ItemsPerStep,
        _ => 0,
    });

    /// <summary>Accounts for text that is written or put together.</summary>
    /// <exception cref="ChatTemplateException">The rendering makes too much text.</exception>
    public void Charge(long count)
    {
        if ((characters += count) is < 0 or > MostCharacters)
            throw new ChatTemplateException(string.Create(CultureInfo.InvariantCulture, $"chat_template writes more than {MostCharacters:N0} characters."));
    }
}

/// <summary>Names and their values while a template runs. The bodies of loops and macros have scopes of their own, as in Jinja.</summary>
internal sealed class TemplateScope
{
    private readonly TemplateScope? parent;
    private readonly Dictionary<string, object?> values = [];

    public TemplateScope(TemplateRun run) => (Run, Root) = (run, this);

    public TemplateScope(TemplateScope parent) => (this.parent, Run, Root) = (parent, parent.Run, parent.Root);

    public TemplateRun Run { get; }

    /// <summary>The scope of the template itself.</summary>
    public TemplateScope Root { get; }

    public void Set(string name, object? value) => values[name] = value;

    public object? Get(string name)
    {
        for (var scope = this; scope is not null; scope = scope.parent)
        {
            if (scope.values.TryGetValue(name, out object? value))
                return value;
        }
        return TemplateGlobals.Known.TryGetValue(name, out var function) ? function : Undefined.Value;
    }
}

/// <summary>The value of a name nobody set: prints nothing, counts as false.</summary>
internal sealed class Undefined
{
    public static readonly Undefined Value = new();
}
