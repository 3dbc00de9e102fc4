using AiFabric.Crds.CoServedModels;
using AiFabric.Tests.Operator;
using Xunit;

namespace AiFabric.Tests.Crds;

public sealed class TrafficShapeTests
{
    /// <summary>Who names whom (<c>model:adapter</c> for an adapter), and the circle that the first is in.</summary>
    [Theory]
    [InlineData("a>b b", null)]
    [InlineData("a>b b>c c", null)]
    [InlineData("a>nobody", null)]
    [InlineData("a>a:french", null)]
    [InlineData("a>b:french b>b:german", null)]
    [InlineData("a>b b>c c>b", null)]
    [InlineData("a>a", null)]
    [InlineData("a>b b>a", "a → b → a")]
    [InlineData("a>b:french b>a", "a → b → a")]
    [InlineData("a>b>c b>d c>a d", "a → c → a")]
    [InlineData("a>b b>c c>d d>a", "a → b → c → d → a")]
    public void A_circle_is_found_and_told(string models, string? circle)
    {
        CoServedModel[] all = [.. models.Split(' ').Select(Model)];
        Assert.Equal(circle, TrafficShape.Circle(all[0], all.ToDictionary(model => model.Metadata.Name)));
    }

    [Theory]
    [InlineData("a>a", true)]
    [InlineData("a>a:french", false)]
    [InlineData("a>b", false)]
    public void Who_names_itself_is_told_from_who_names_its_adapter(string text, bool itself)
    {
        CoServedModel model = Model(text);
        Assert.Equal(itself, TrafficShape.IsItself(model, Assert.Single(TrafficShape.Of(model))));
    }

    private static CoServedModel Model(string text)
    {
        string[] names = text.Split('>');
        TrafficSpec? At(int index) => names.Length <= index
            ? null
            : new TrafficSpec { ModelRef = new TrafficTarget { Name = names[index].Split(':')[0], Adapter = names[index].Split(':').ElementAtOrDefault(1) }, Percent = 10 };
        return Make.Model(spec => spec.Routing = new RoutingSpec { Canary = At(1), Mirror = At(2) }, names[0]);
    }
}
